/* bindings/sync/holder.c: a task as one that may hold a lock or a slot.
 *
 * The holder of a task is a table with a number, `id`. When the task has ended, its field
 * `gone` says how, and the function given to core.on_end is called if the task holds something
 * (`held`) or main knows of it (`asked`). Layer: bindings. */
#include "bindings/sync/holder.h"

#include "runtime/loop/environment.h"
#include "runtime/loop/guard.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

/* Keeps the watch of a task alive: a field of its holder. */
typedef struct holding {
  lp_watch watch;
  lp_state *st;
} holding;

static const char holders_key, on_end_key; /* their addresses are keys of the registry */

/* Runs protected, at the end of a task. Arguments: the task, light, and whether it is done. */
static int end_holder(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &holders_key);
  if (lua_rawgetp(L, 3, lua_touserdata(L, 1)) != LUA_TTABLE) return 0;
  lua_pushnil(L);
  lua_rawsetp(L, 3, lua_touserdata(L, 1));
  lua_pushstring(L, lua_toboolean(L, 2) ? "done" : "failed");
  lua_replace(L, 2);
  lua_pushvalue(L, 2);
  lua_setfield(L, 4, "gone");
  lua_getfield(L, 4, "held");
  lua_getfield(L, 4, "asked");
  if (lua_isnil(L, -1) && lua_isnil(L, -2)) return 0;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &on_end_key);
  lua_pushvalue(L, 4);
  lua_pushvalue(L, 2);
  lua_call(L, 2, 0);
  return 0;
}

static void holder_ended(lp_watch *watch, lp_task *t) {
  lp_state *st = lp_list_of(watch, holding, watch)->st;
  lua_State *L = st->L;
  lua_pushcfunction(L, end_holder);
  lua_pushlightuserdata(L, t);
  lua_pushboolean(L, t->status == LP_TASK_DONE);
  unsigned outer = lp_environment_enter(st, t->environment); /* its objects may have __index */
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
    size_t len;
    lp_guard_tostring(L, -1);
    const char *text = lua_tolstring(L, -1, &len);
    lp_text(st, LP_TEXT_ERROR, text, len);
    lua_pop(L, 2);
  }
  lp_environment_enter(st, outer);
}

/* The stack holds the table of holders and the new holder, which keeps the watch alive. The
 * holder is put into the table and its task watched, or neither happens for want of memory. */
static void watch_task(lua_State *L, lp_task *t) {
  holding *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (holding){.watch.ended = holder_ended, .st = t->st};
  lua_setfield(L, -2, "watch");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, -3, t);
  lp_watch_add(&h->watch, &t->watchers);
}

/* core.holder() -> the current task's holder. */
static int sync_holder(lua_State *L) {
  lp_state *st = lp_state_of(L);
  if (!st->current) return lp_usage_raise(L, "luapool.sync", "no task is running");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &holders_key);
  if (lua_rawgetp(L, -1, st->current) == LUA_TTABLE) return 1;
  lua_createtable(L, 0, 3);
  lua_getfield(L, -3, "n");
  lua_Integer id = lua_tointeger(L, -1) + 1;
  lua_pushinteger(L, id);
  lua_setfield(L, -5, "n");
  lua_pushinteger(L, id);
  lua_setfield(L, -3, "id");
  lua_pop(L, 1);
  lua_replace(L, -2); /* nil */
  watch_task(L, st->current);
  return 1;
}

/* core.on_end(fn). Calls fn(holder, "done" or "failed") at the end of a task that holds
 * something. It may not wait. */
static int sync_on_end(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &on_end_key);
  return 0;
}

const luaL_Reg lpb_sync_holder_functions[] = {
    {"holder", sync_holder}, {"on_end", sync_on_end}, {NULL, NULL}};

void lpb_sync_holder_open(lua_State *L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &holders_key);
}
