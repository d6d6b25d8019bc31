/* loop/task_close.c: tasks that are closed instead of being resumed: for want of time or of
 * memory, or because they do not end when they are cancelled. Layer: loop. */
#include <lauxlib.h>

#include "runtime/base/error.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/guard.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"

static lua_State *innermost(lua_State *co) {
  lua_State *inner = lp_coroutine_resumed(co);
  return inner ? innermost(inner) : co;
}

/* The coroutine is not used again: its <close> handlers may have handed it to somebody, and Lua
 * leaves its message handler set. */
void lp_task_close_reset(lp_task *t) {
  lp_guard g;
  t->entered = true;
  t->st->current = t;
  unsigned outer = lp_environment_enter(t->st, t->environment);
  lp_guard_begin(t->st, &g, t->co, t->co);
  lua_resetthread(t->co);
  lp_guard_end(t->st, &g, t->co);
  lp_environment_enter(t->st, outer);
  t->st->current = NULL;
}

/* Closes what the coroutine has resumed, then itself. */
static void close_levels(lp_state *st, lua_State *co) {
  lp_guard g;
  lua_State *inner = lp_coroutine_resumed(co);
  if (inner) close_levels(st, inner);
  lp_coroutine_mark(co, false);
  lp_guard_begin(st, &g, co, co);
  lua_resetthread(co);
  lp_guard_end(st, &g, co);
  lua_settop(co, 0); /* what its handlers raised */
}

void lp_task_close(lp_task *t) {
  lp_state *st = t->st;
  lua_State *L = st->L;
  lua_pushcfunction(L, lp_task_error_closed);
  lua_pushlightuserdata(L, t);
  lua_pushlightuserdata(L, innermost(t->co));
  lua_pcall(L, 2, 1, 0); /* the error, whichever */
  st->current = t;
  unsigned outer = lp_environment_enter(st, t->environment);
  close_levels(st, t->co);
  t->entered = true; /* as in lp_task_close_reset */
  lp_environment_enter(st, outer);
  st->current = NULL;
  lua_xmove(L, t->co, 1);
  lp_list_remove(&t->link);
  t->status = t->expired || t->broke ? LP_TASK_FAILED : LP_TASK_CANCELLED;
  lp_task_finish(t, 1);
}

void lp_task_close_expired(lp_task *t) {
  if (lp_task_ended(t)) return;
  t->expired = true;
  lp_task_stop(t);
  if (t->preempted) lp_task_close(t);
}

/* Protected. Arguments: a task (light), its innermost coroutine. The error is its reason. */
static int set_starved(lua_State *L) {
  lp_task *t = lua_touserdata(L, 1);
  lp_task_object(L, t);
  lp_raise_push(L, "memory", "not enough memory");
  luaL_traceback(L, lua_touserdata(L, 2), NULL, 0);
  if (t->st->limit) t->st->limit(t->st, LP_EMEMORY, t, lua_tostring(L, -1));
  lua_setfield(L, -2, "traceback");
  lp_task_set_field(L, -2, LP_TASK_REASON);
  t->broke = true;
  return 0;
}

void lp_task_close_starved(lp_task *t) {
  lua_State *L = t->st->L;
  lua_pushcfunction(L, set_starved);
  lua_pushlightuserdata(L, t);
  lua_pushlightuserdata(L, innermost(t->co));
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1);
  lp_task_close(t);
}
