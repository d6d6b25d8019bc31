/* bindings/task/locals.c: task.locals, a table whose fields belong to the current task. What a
 * task spawns begins with the same fields: both share one table until either writes. Layer:
 * bindings. */
#include "bindings/task/locals.h"

#include <lauxlib.h>

#include "runtime/loop/env.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

/* Pushes the table of the current task, or nil when it has none. */
static void push_table(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  if (!t || !t->locals) {
    lua_pushnil(L);
    return;
  }
  lp_task_object(L, t);
  lp_task_field(L, -1, LP_TASK_LOCALS);
  lua_remove(L, -2);
}

/* Stack: a table. Pushes a copy of it. */
static void copy(lua_State *L) {
  int from = lua_gettop(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, from);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, from + 1);
  }
}

/* Pushes a table that no other task has. */
static void push_own(lua_State *L, lp_task *t) {
  push_table(L);
  if (t->owns_locals) return;
  if (t->locals)
    copy(L);
  else
    lua_newtable(L);
  lp_task_object(L, t);
  lua_pushvalue(L, -2);
  lp_task_set_field(L, -2, LP_TASK_LOCALS);
  lua_pop(L, 1);
  t->locals = t->owns_locals = true;
}

static int locals_index(lua_State *L) {
  lua_settop(L, 2);
  push_table(L);
  if (lua_isnil(L, 3)) return 1;
  lua_insert(L, 2);
  lua_rawget(L, 2);
  return 1;
}

static int locals_newindex(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  if (!t) return lp_usage_raise(L, "task.locals", "no task is running");
  bool is_key = !lua_isnil(L, 2) && lua_rawequal(L, 2, 2); /* NaN is not itself */
  if (!is_key) return lp_usage_raise(L, "task.locals", "a key cannot be nil or NaN");
  push_own(L, t);
  lua_replace(L, 1);
  lua_settop(L, 3);
  lua_rawset(L, 1);
  return 0;
}

/* Walks over a copy, because the body of the loop may write. */
static int locals_pairs(lua_State *L) {
  lua_settop(L, 0);
  lp_env_get(L, "next");
  push_table(L);
  if (lua_isnil(L, 2))
    lua_newtable(L);
  else
    copy(L);
  lua_replace(L, 2);
  lua_settop(L, 2);
  lua_pushnil(L);
  return 3;
}

/* A table whose fields belong to the task that runs. A task begins with the fields of the one
 * that spawned it; what either writes then is its own.
 *
 * ```lua
 * task.locals.user = "ann"
 * local inherited = task.spawn(function()
 *   local user = task.locals.user
 *   task.locals.user = "bob"
 *   return user
 * end)
 * print(inherited:await(), task.locals.user) --> ann ann
 * task.locals.user = nil
 * ```
 * @function task.locals
 * @type table */
void lpb_task_locals_push(lua_State *L) {
  static const luaL_Reg meta[] = {{"__index", locals_index},
                                  {"__newindex", locals_newindex},
                                  {"__pairs", locals_pairs},
                                  {NULL, NULL}};
  lua_newtable(L);
  lua_createtable(L, 0, 4);
  luaL_setfuncs(L, meta, 0);
  lua_pushliteral(L, "luapool.task.locals");
  lua_setfield(L, -2, "__name");
  lua_setmetatable(L, -2);
}
