/* bindings/task/list.c: lists of tasks are checked, made and waited for, and their results are
 * collected. task.gather, task.wait and the like stand on it; a list may be long. Layer:
 * bindings. */
#include "bindings/task/list.h"

#include "bindings/task/task.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/op.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

/* ---- waiting ---- */

typedef struct wait_op wait_op;

typedef struct wait_link {
  lp_watch watch;
  wait_op *op;
} wait_link;

struct wait_op {
  lp_op op;
  wait_link *links;
  int n, left; /* links in use; ends still needed */
  bool first_error;
};

static void wait_count(wait_op *w, lp_task *t) {
  bool error = w->first_error && t->status != LP_TASK_DONE;
  if (--w->left == 0 || error) lp_op_finish(&w->op, 0);
}

static void wait_ended(lp_watch *watch, lp_task *t) {
  wait_count(lp_list_of(watch, wait_link, watch)->op, t);
}

static void wait_close(lp_op *op) {
  wait_op *w = (wait_op *)op;
  for (int i = 0; i < w->n; i++) lp_watch_remove(&w->links[i].watch);
  lp_alloc_free(w->links);
}

static int wait_results(lua_State *L, lp_op *op) {
  if (op->status < 0 && op->status != LP_ETIMEOUT) return lp_op_raise(L, op);
  lua_pushboolean(L, op->status == 0);
  return 1;
}

static const lp_op_class wait_class = {
    .name = "tasks", .results = wait_results, .close = wait_close};

static void watch_all(lua_State *L, wait_op *w, int n) {
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    lp_task *t = lua_touserdata(L, -1);
    lua_pop(L, 1);
    wait_link *link = &w->links[w->n++];
    link->op = w;
    link->watch.ended = wait_ended;
    if (lp_task_ended(t))
      wait_count(w, t);
    else
      lp_watch_add(&link->watch, &t->watchers);
  }
}

/* Returns the length of the list. Lua has already checked the items, with bad_item. */
static int check_tasks(lua_State *L, int arg) {
  luaL_checktype(L, arg, LUA_TTABLE);
  int n = (int)lua_rawlen(L, arg);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, arg, i);
    luaL_argcheck(L, lp_task_test(L, -1), arg, "a list of tasks expected");
    lua_pop(L, 1);
  }
  return n;
}

/* core.wait(tasks, mode [, timeout]) -> bool. Waits until all tasks of the list have ended
 * ("all_completed"), or one has ("first_completed"), or one has failed or all have ended
 * ("first_error"). False when `timeout` seconds passed before. */
static int task_wait(lua_State *L) {
  static const char *const modes[] = {"all_completed", "first_completed", "first_error", NULL};
  int n = check_tasks(L, 1), mode = luaL_checkoption(L, 2, "all_completed", modes);
  double timeout = lp_usage_opt_seconds(L, 3, "task.wait");
  wait_op *w = lp_op_new(L, &wait_class, sizeof *w);
  w->left = mode == 1 ? 1 : n;
  w->first_error = mode == 2;
  w->links = n ? lp_alloc_new((size_t)n * sizeof *w->links) : NULL;
  if (w->links)
    watch_all(L, w, n);
  else
    lp_op_finish(&w->op, n ? LP_EMEMORY : 0);
  return lp_op_await(L, &w->op, timeout);
}

/* ---- before and after ---- */

/* core.bad_item(list, n, functions) -> place or nil: of the first of n items that is not a task
 * (or a function, if those may be), or that is the current task. */
static int list_bad_item(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 2);
  bool functions = lua_toboolean(L, 3);
  const lp_task *current = lp_state_of(L)->current;
  for (lua_Integer i = 1; i <= n; i++) {
    lp_task *t = lua_geti(L, 1, i) == LUA_TUSERDATA ? lp_task_test(L, -1) : NULL;
    bool good = t ? t != current : functions && lp_usage_is_callable(L, -1);
    lua_pop(L, 1);
    if (good) continue;
    lua_pushinteger(L, i);
    return 1;
  }
  return 0;
}

/* Pushes the first key that next gives behind `key` and that is no place from 1 to n; false
 * when there is none. */
static bool push_key_beyond(lua_State *L, lua_Integer n) {
  for (lua_pushnil(L); lua_next(L, 1);) {
    lua_pop(L, 1);
    lua_Integer i = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    if (n == 0 || i > n) return true;
  }
  return false;
}

/* core.gap(list) -> place, key or nothing: the place of the first item that is missing, where
 * there is a key behind it: a larger place, or of an empty list any. */
static int list_gap(lua_State *L) {
  lua_Integer n = 0, most = (lua_Integer)lua_rawlen(L, 1);
  while (n < most && lua_rawgeti(L, 1, n + 1) != LUA_TNIL) {
    lua_pop(L, 1);
    n++;
  }
  lua_settop(L, 1);
  if (n == 0)
    lua_pushnil(L);
  else
    lua_pushinteger(L, n);
  bool more = lua_next(L, 1); /* mostly not: then nothing stands behind the last item */
  lua_settop(L, 1);
  if (!more || !push_key_beyond(L, n)) return 0;
  lua_pushinteger(L, n + 1);
  lua_insert(L, -2);
  return 2;
}

/* core.tasks(list, n) -> a list of tasks: the n items, functions being spawned. */
static int list_tasks(lua_State *L) {
  int n = (int)luaL_checkinteger(L, 2);
  lua_createtable(L, n, 0);
  for (int i = 1; i <= n; i++) {
    lua_geti(L, 1, i);
    if (!lp_task_test(L, -1)) lp_task_spawn_exposed(L, 0);
    lua_rawseti(L, 3, i);
    lua_settop(L, 3);
  }
  return 1;
}

/* core.first_failed(tasks) -> the first that has failed, else the first that was cancelled, or
 * nil. */
static int list_first_failed(lua_State *L) {
  int n = (int)lua_rawlen(L, 1), cancelled = 0;
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    lp_task_status status = lp_task_check(L, -1)->status;
    if (status == LP_TASK_FAILED) return 1;
    if (status == LP_TASK_CANCELLED && !cancelled) cancelled = i;
    lua_pop(L, 1);
  }
  if (!cancelled) return 0;
  lua_rawgeti(L, 1, cancelled);
  return 1;
}

/* core.results(tasks) -> results, errors: of tasks that have ended, each in its place. The
 * first value of each; with the field `n`. */
static int list_results(lua_State *L) {
  int n = (int)lua_rawlen(L, 1);
  lua_settop(L, 1);
  lua_createtable(L, n, 1);
  lua_pushinteger(L, n);
  lua_setfield(L, 2, "n");
  lua_newtable(L);
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, 1, i);
    lp_task *t = lp_task_check(L, 4);
    lp_task_push_outcome(L, 4);
    lua_settop(L, 5);
    lua_rawseti(L, t->status == LP_TASK_DONE ? 2 : 3, i);
    lua_settop(L, 3);
  }
  return 2;
}

const luaL_Reg lpb_task_list_functions[] = {
    {"wait", task_wait},   {"bad_item", list_bad_item},         {"gap", list_gap},
    {"tasks", list_tasks}, {"first_failed", list_first_failed}, {"results", list_results},
    {NULL, NULL}};
