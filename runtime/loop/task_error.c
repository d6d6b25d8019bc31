/* loop/task_error.c: the errors of tasks. Their traceback is taken where the error is raised
 * and is kept with the task. An error that nobody has awaited is reported when its task is
 * collected. Layer: loop. */
#include <lauxlib.h>

#include "runtime/loop/environment.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

static const char EXPIRED[] = "the task took longer than its task_timeout";

/* Stack: error, traceback. Notes both in the Task object at `index` and pops the traceback. */
static void note_trace(lua_State *L, int index) {
  index = lua_absindex(L, index);
  lua_createtable(L, 2, 0);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -2, 1);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 2);
  lp_task_set_field(L, index, LP_TASK_TRACE);
}

void lp_task_error_note(lua_State *L) {
  lp_task *current = lp_state_of(L)->current;
  if (!current) {
    lua_pop(L, 1);
    return;
  }
  lp_task_object(L, current);
  lua_insert(L, -3); /* task, error, traceback */
  note_trace(L, -3);
  lua_remove(L, -2);
}

/* Stack: task, error. Returns the traceback that the error has brought along from another task
 * or process, which the stack keeps, or NULL. */
static const char *brought_trace(lua_State *L) {
  if (lp_task_field(L, 1, LP_TASK_TRACE) != LUA_TTABLE) return NULL;
  lua_rawgeti(L, 3, 2);
  lua_rawgeti(L, 3, 1);
  return lua_rawequal(L, -1, 2) ? lua_tostring(L, 4) : NULL;
}

int lp_task_error_handler(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  lua_settop(L, 1);
  if (lp_raise_kind(L, 1)) return 1; /* has one */
  lp_task_object(L, t);
  lua_insert(L, 1);
  luaL_traceback(L, L, brought_trace(L), 1);
  lua_replace(L, 3);
  lua_settop(L, 3);
  note_trace(L, 1);
  return 1;
}

void lp_task_error_push_cancelled(lua_State *L, lp_task *t) {
  luaL_checkstack(L, 6, NULL);
  if (t->expired) {
    lp_raise_push(L, "timeout", "%s", EXPIRED);
    return;
  }
  lp_task_object(L, t);
  int type = lp_task_field(L, -1, LP_TASK_REASON);
  if (type == LUA_TSTRING)
    lp_raise_push(L, "cancelled", "the task was cancelled: %s", lua_tostring(L, -1));
  else
    lp_raise_push(L, "cancelled", "the task was cancelled");
  lua_insert(L, -2);
  lua_setfield(L, -2, "reason");
  lua_remove(L, -2);
}

/* Pushes the traceback of the error on top, which the task at `index` has raised; or nil. */
static void push_trace(lua_State *L, int index) {
  if (lp_raise_kind(L, -1)) {
    lua_pushliteral(L, "traceback");
    lua_rawget(L, -2);
    return;
  }
  if (lp_task_field(L, index, LP_TASK_TRACE) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 2);
    lua_remove(L, -2);
  }
}

/* Stack: the task, its error. Returns the text. */
static int describe(lua_State *L) {
  push_trace(L, 1);
  const char *message = lp_usage_error_text(L, 2);
  const char *trace = lua_isstring(L, 3) ? lua_tostring(L, 3) : NULL;
  lua_pushfstring(L, "%s%s%s", message, trace ? "\n" : "", trace ? trace : "");
  return 1;
}

/* The error of a script may have a __tostring, which has the rights of that script. */
void lp_task_error_describe(lua_State *L, int index) {
  lp_state *st = lp_state_of(L);
  const lp_task *t = lua_touserdata(L, index);
  index = lua_absindex(L, index);
  luaL_checkstack(L, 4, NULL);
  lua_pushcfunction(L, describe);
  lua_pushvalue(L, index);
  lua_pushvalue(L, -3);
  unsigned outer = lp_environment_enter(st, t->environment);
  int status = lua_pcall(L, 2, 1, 0);
  lp_environment_enter(st, outer);
  if (status != LUA_OK) lua_error(L);
  lua_replace(L, -2);
}

/* Reports the error of a task that is collected. */
static int witness_gc(lua_State *L) {
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  lp_task *t = lua_touserdata(L, 2);
  if (!t || !lp_state_is_open(L)) return 0;
  lp_environment_release(t->st, t->environment);
  if (t->awaited || !t->st->text) return 0;
  t->awaited = true;
  lp_task_field(L, 2, LP_TASK_VALUE);
  lp_task_error_describe(L, 2);
  size_t len;
  const char *text = lua_tolstring(L, -1, &len);
  lp_text(t->st, LP_TEXT_ERROR, text, len);
  return 0;
}

/* The witness has the finalizer, and holds the environment that the error is described in. It
 * and its task hold each other, so they are collected together. Were the finalizer one of all
 * Task objects, the end of every task would cost twice as much. */
void lp_task_error_witness(lua_State *L, lp_task *t) {
  lp_task_object(L, t);
  lua_newuserdatauv(L, 0, 1);
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
  if (luaL_newmetatable(L, "luapool.task.witness")) {
    lua_pushcfunction(L, witness_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lp_environment_hold(t->st, t->environment);
  lp_task_set_field(L, -2, LP_TASK_WITNESS);
  lua_pop(L, 1);
}

void lp_task_error_caught(lua_State *L, int index) {
  lp_task *current = lp_state_of(L)->current;
  if (!current || lp_raise_kind(L, -1)) return;
  lp_task_object(L, current);
  lp_task_field(L, index, LP_TASK_TRACE);
  lp_task_set_field(L, -2, LP_TASK_TRACE);
  lua_pop(L, 1);
}

int lp_task_error_closed(lua_State *L) {
  lp_task *t = lua_touserdata(L, 1);
  if (t->broke) {
    lp_task_object(L, t);
    lp_task_field(L, -1, LP_TASK_REASON);
    return 1;
  }
  lp_task_error_push_cancelled(L, t);
  luaL_traceback(L, lua_touserdata(L, 2), NULL, 0);
  lua_setfield(L, -2, "traceback");
  return 1;
}
