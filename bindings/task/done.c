/* bindings/task/done.c: Task:on_done. While it waits for the end of a task, a function costs no
 * task of its own: its task is spawned when the other one ends. Layer: bindings. */
#include "bindings/task/done.h"

#include "bindings/task/task.h"
#include "runtime/base/list.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

/* A userdata, anchored until the task has ended; its user values are the function, the task,
 * and the locals of who asked. */
typedef struct done {
  lp_watch watch;
  int anchor;
  /* The environment of who asked, held. */
  unsigned environment;
} done;

/* Runs protected at the end of the task. Arguments: the done and the task, both light. */
static int call_follower(lua_State *L) {
  done *d = lua_touserdata(L, 1);
  lp_task *t = lua_touserdata(L, 2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, d->anchor);
  luaL_unref(L, LUA_REGISTRYINDEX, d->anchor);
  lua_getiuservalue(L, 3, 1);
  lua_getiuservalue(L, 3, 2);
  lp_task *follower = lp_task_spawn(L, 1);
  follower->number = t->number;
  lp_environment_move(follower, d->environment);
  lp_environment_release(t->st, d->environment);
  if (lua_getiuservalue(L, 3, 3) == LUA_TNIL) return 0;
  lp_task_object(L, follower);
  lua_insert(L, -2);
  lp_task_set_field(L, -2, LP_TASK_LOCALS);
  follower->locals = true;
  return 0;
}

static void on_ended(lp_watch *w, lp_task *t) {
  lua_State *L = t->st->L;
  lua_pushcfunction(L, call_follower);
  lua_pushlightuserdata(L, lp_list_of(w, done, watch));
  lua_pushlightuserdata(L, t);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1); /* no memory */
}

/* Keeps the locals of the current task in the done on top of the stack: the follower begins
 * with them, as if it were spawned here. */
static void keep_locals(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  if (!t || !t->locals) return;
  lp_task_object(L, t);
  lp_task_field(L, -1, LP_TASK_LOCALS);
  lua_setiuservalue(L, -3, 3);
  lua_pop(L, 1);
  t->owns_locals = false;
}

/* Calls fn(task) once, in a task of its own, when the task has ended; soon, when it has
 * already. Those of one task begin in the order in which they were given.
 *
 * ```lua
 * local one = task.spawn(function() return 42 end)
 * local told = task.promise()
 * one:on_done(function(ended) told:resolve(ended:status()) end)
 * print(told:await()) --> done
 * ```
 * @function Task:on_done
 * @param fn fun(task: luapool.Task) */
static int task_on_done(lua_State *L) {
  lp_task *t = lpb_task_self(L, "Task:on_done");
  lp_usage_callable(L, 2, "Task:on_done");
  lua_settop(L, 2);
  done *d = lua_newuserdatauv(L, sizeof *d, 3);
  *d = (done){.watch.ended = on_ended};
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 2);
  keep_locals(L);
  d->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  if (lp_task_ended(t)) { /* if only because a finalizer has settled it just now */
    luaL_unref(L, LUA_REGISTRYINDEX, d->anchor);
    lua_insert(L, 1);
    lp_task_spawn(L, 1);
  } else {
    d->environment = lp_environment_current(L);
    lp_environment_hold(t->st, d->environment);
    lp_watch_add(&d->watch, &t->watchers);
  }
  return 0;
}

const luaL_Reg lpb_task_done_methods[] = {{"on_done", task_on_done}, {NULL, NULL}};
