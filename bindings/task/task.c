/* bindings/task/task.c: tasks, promises, sleeping, and waiting for one task. Layer: bindings.
 */
#include "bindings/task/task.h"

#include <stdio.h>

#include "runtime/base/error.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

lp_task *lpb_task_self(lua_State *L, const char *method) {
  lp_task *t = lp_task_test(L, 1);
  if (!t) lp_usage_self(L, method, "luapool.Task");
  return t;
}

/* Makes a task that calls fn(...). It first runs when the caller waits. An error that nobody
 * awaits is reported once on stderr.
 *
 * ```lua
 * local one = task.spawn(function(a, b) return a + b end, 1, 2)
 * print(one:status(), one:await()) --> pending 3
 * ```
 * @function task.spawn
 * @param fn function
 * @param ... any its arguments
 * @return luapool.Task */
static int task_spawn(lua_State *L) {
  lp_usage_callable(L, 1, "task.spawn");
  lp_task_spawn_exposed(L, lua_gettop(L) - 1);
  return 1;
}

/* Makes a promise: a task without a function, which ends by `resolve` or `reject`.
 *
 * ```lua
 * local promise = task.promise()
 * task.spawn(function() promise:resolve("kept") end)
 * print(promise:await()) --> kept
 * ```
 * @function task.promise
 * @return luapool.Task */
static int task_promise(lua_State *L) {
  lp_task_spawn_promise(L);
  return 1;
}

/* Returns the task that runs, or nil outside any task. In a worker its field `attempt` counts
 * the runs of a pool's task.
 *
 * ```lua
 * local one
 * one = task.spawn(function() return task.current() == one end)
 * print(one:await()) --> true
 * ```
 * @function task.current
 * @return luapool.Task? */
static int task_current(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  if (t)
    lp_task_push(L, t);
  else
    lua_pushnil(L);
  return 1;
}

/* Returns the seconds of a clock that never goes back.
 *
 * ```lua
 * local began = task.now()
 * task.sleep(0.02)
 * assert(task.now() - began >= 0.02)
 * ```
 * @function task.now
 * @return number seconds */
static int task_now(lua_State *L) {
  lua_pushnumber(L, lp_loop_now(lp_state_of(L)));
  return 1;
}

/* ---- sleeping ---- */

/* A sleep succeeds when its deadline comes. */
static void sleep_cancel(lp_op *op, int why) {
  lp_op_finish(op, why == LP_ETIMEOUT ? 0 : why);
}

static const lp_op_class sleep_class = {.name = "sleep", .cancel = sleep_cancel};

/* Waits for some time; with 0, until the other tasks and the loop had their turn.
 *
 * ```lua
 * task.sleep(0.01)
 * local ok, e = pcall(string.gsub, "x", "x", function() task.sleep(1) end)
 * print(e.kind) --> cannot_wait
 * ```
 * @function task.sleep
 * @async
 * @param seconds number
 * @raises cannot_wait as every call that waits, inside a C function that cannot be suspended */
static int task_sleep(lua_State *L) {
  double seconds = lp_usage_seconds(L, 1, "task.sleep");
  return lp_op_await(L, lp_op_new(L, &sleep_class, sizeof(lp_op)), seconds);
}

typedef struct unref_op {
  lp_op op;
  uv_timer_t timer; /* holds the operation until it is closed */
} unref_op;

static void on_timer_closed(uv_handle_t *timer) {
  lp_op_release(timer->data);
}

static void unref_end(lp_op *op, int status) {
  uv_close((uv_handle_t *)&((unref_op *)op)->timer, on_timer_closed);
  lp_op_finish(op, status);
}

static void on_timer(uv_timer_t *timer) {
  unref_end(timer->data, 0);
}

static const lp_op_class unref_class = {.name = "sleep", .cancel = unref_end};

/* core.sleep_unref(seconds). The same for a task that only shows how others get on: its sleep
 * does not keep the loop alive, so a deadlock of the others is found. */
static int task_sleep_unref(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  unref_op *u = lp_op_new(L, &unref_class, sizeof *u);
  uv_timer_init(lp_op_loop(&u->op), &u->timer); /* this and its start never fail */
  u->timer.data = u;
  lp_op_hold(&u->op);
  uv_timer_start(&u->timer, on_timer, (uint64_t)(seconds * 1e3), 0);
  uv_unref((uv_handle_t *)&u->timer);
  return lp_op_await(L, &u->op, -1);
}

static const lp_op_class yield_class = {.name = "yield"};

/* Lets all other ready tasks run first.
 *
 * ```lua
 * local said = {}
 * local other = task.spawn(table.insert, said, "other")
 * task.yield()
 * table.insert(said, "main")
 * print(said[1], said[2]) --> other main
 * ```
 * @function task.yield
 * @async */
static int task_yield(lua_State *L) {
  return lp_op_yield(L, lp_op_new(L, &yield_class, sizeof(lp_op)));
}

typedef struct turn_op {
  lp_op op;
  lp_state *st;
  lp_flush flush;
  int turns; /* still to come */
} turn_op;

static void on_turn(lp_flush *f) {
  turn_op *t = lp_list_of(f, turn_op, flush);
  if (--t->turns == 0)
    lp_op_finish(&t->op, 0);
  else
    lp_loop_flush(t->st, f);
}

static void turn_close(lp_op *op) {
  lp_list_remove(&((turn_op *)op)->flush.link);
}

static const lp_op_class turn_class = {.name = "yield", .close = turn_close};

/* core.turn(). Lets all other ready tasks run, and what they send leave, for a task that may
 * block the process next. The loop must turn twice for that: a turn that has blocked ends
 * before other tasks have run. */
static int task_turn(lua_State *L) {
  turn_op *t = lp_op_new(L, &turn_class, sizeof *t);
  t->st = lp_state_of(L);
  t->turns = 2;
  t->flush.run = on_turn;
  lp_list_init(&t->flush.link);
  lp_loop_flush(t->st, &t->flush);
  return lp_op_await(L, &t->op, -1);
}

/* ---- waiting for one task ---- */

typedef struct await_op {
  lp_op op;
  lp_watch watch;
  uint64_t number; /* of the awaited task, for a dump */
} await_op;

static void await_ended(lp_watch *w, lp_task *t) {
  (void)t;
  lp_op_finish(&lp_list_of(w, await_op, watch)->op, 0);
}

static void await_close(lp_op *op) {
  lp_watch_remove(&((await_op *)op)->watch);
}

/* Stack of the waiting function: the Task at 1. */
static int await_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  lp_task *t = lua_touserdata(L, 1);
  int n = lp_task_push_outcome(L, 1);
  return t->status == LP_TASK_DONE ? n : lua_error(L);
}

static int result_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  lp_task *t = lua_touserdata(L, 1);
  lua_pushboolean(L, t->status == LP_TASK_DONE);
  return lp_task_push_outcome(L, 1) + 1;
}

static void await_which(const lp_op *op, char *text, size_t size) {
  uint64_t number = ((const await_op *)op)->number;
  if (number) snprintf(text, size, "%llu", (unsigned long long)number);
}

static const lp_op_class await_class = {
    .name = "task", .results = await_results, .close = await_close, .which = await_which};

static const lp_op_class result_class = {
    .name = "task", .results = result_results, .close = await_close, .which = await_which};

static int wait_for(lua_State *L, const lp_op_class *class, const char *method) {
  lp_task *t = lpb_task_self(L, method);
  double timeout = lp_usage_opt_seconds(L, 2, method);
  if (t == lp_state_of(L)->current)
    return lp_usage_raise(L, method, "a task cannot wait for itself");
  await_op *a = lp_op_new(L, class, sizeof *a);
  a->watch.ended = await_ended;
  a->number = t->number;
  if (lp_task_ended(t))
    lp_op_finish(&a->op, 0);
  else
    lp_watch_add(&a->watch, &t->watchers);
  return lp_op_await(L, &a->op, timeout);
}

/* A function that runs beside others: see `task.spawn`. What a pool's `submit` returns is one
 * too.
 *
 * ```lua
 * local p <close> = pool.new { processes = 1 }
 * local future = p:submit(function(x) return x, task.current().attempt end, "a")
 * print(future.args[1], future:await()) --> a a 1
 * ```
 * @class luapool.Task
 * @within task
 * @field args? any[] of what `pool:submit` returned: the arguments
 * @field attempt? integer of a pool's task, in the worker: the number of its run, from 1 on */

/* Waits for the end of the task; returns what its function returned, or raises its error.
 *
 * ```lua
 * print(task.spawn(function() return 1, 2 end):await()) --> 1 2
 * local slow = task.spawn(task.sleep, 60)
 * print(select(2, pcall(slow.await, slow, 0.01)).kind, slow:status()) --> timeout running
 * slow:cancel()
 * ```
 * @function Task:await
 * @async
 * @param timeout? number seconds
 * @return any ... what its function returned
 * @raises timeout the task has not ended by then; it goes on
 * @raises cancelled the task was cancelled */
static int task_await(lua_State *L) {
  return wait_for(L, &await_class, "Task:await");
}

/* Waits for the end of the task; never raises its error.
 *
 * ```lua
 * print(task.spawn(error, "no luck", 0):result()) --> false no luck
 * print(task.spawn(function() return "fine" end):result()) --> true fine
 * ```
 * @function Task:result
 * @async
 * @return boolean ok
 * @return any ... what its function returned, or its error */
static int task_result(lua_State *L) {
  lua_settop(L, 1);
  return wait_for(L, &result_class, "Task:result");
}

/* ---- the rest of a Task ---- */

/* Cancels the task: its wait raises kind `cancelled`, so its `<close>` variables run. Returns
 * false when it had ended already.
 *
 * ```lua
 * local one = task.spawn(task.sleep, 60)
 * print(one:cancel("not needed"), select(2, one:result()).kind) --> true cancelled
 * print(one:status()) --> cancelled
 * ```
 * @function Task:cancel
 * @param reason? string stands in the error's message
 * @return boolean */
static int task_cancel(lua_State *L) {
  lp_task *t = lpb_task_self(L, "Task:cancel");
  lua_settop(L, 2);
  lua_pushboolean(L, lp_task_cancel(L, t));
  return 1;
}

/* core.cancel_scope(task, reason). Cancels a scope of a task: what a lost lease does. */
static int task_cancel_scope(lua_State *L) {
  lp_task *t = lp_task_check(L, 1);
  lua_settop(L, 2);
  lp_task_cancel_scope(L, t);
  return 0;
}

/* core.uncancel() -> bool. The current task leaves a scope that core.cancel_scope has
 * cancelled. True when the task is cancelled all the same, as a whole. */
static int task_uncancel(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  if (t) lp_task_cancel_revoke(t);
  lua_pushboolean(L, t && t->cancelled);
  return 1;
}

/* Returns how far the task is: pending until it begins, then running, also while it waits.
 *
 * ```lua
 * local one = task.spawn(function() end)
 * print(one:status()) --> pending
 * one:await()
 * print(one:status(), task.current():status()) --> done running
 * ```
 * @function Task:status
 * @return "pending"|"running"|"done"|"failed"|"cancelled" */
static int task_status(lua_State *L) {
  static const char *const names[] = {"pending", "running", "done", "failed", "cancelled"};
  lua_pushstring(L, names[lpb_task_self(L, "Task:status")->status]);
  return 1;
}

/* Returns the name of the task, which messages and dumps show, or nil; with an argument it sets
 * the name first.
 *
 * ```lua
 * local one = task.spawn(task.sleep, 0)
 * one:name "sleeper"
 * print(one:name()) --> sleeper
 * one:await()
 * ```
 * @function Task:name
 * @param new? string
 * @return string? */
static int task_name(lua_State *L) {
  lpb_task_self(L, "Task:name");
  if (lua_gettop(L) > 1) {
    lp_usage_string(L, 2, "Task:name", NULL);
    lua_settop(L, 2);
    lp_task_set_field(L, 1, LP_TASK_NAME);
  }
  lp_task_field(L, 1, LP_TASK_NAME);
  return 1;
}

static int settle(lua_State *L, bool ok, const char *method) {
  lp_task *t = lpb_task_self(L, method);
  int n = lua_gettop(L) - 1;
  if (t->co) lp_usage_raise(L, method, "not a promise: a task ends by itself");
  if (!ok && n != 1) lp_usage_raise(L, method, "one argument expected, the error, got %d", n);
  lua_pushboolean(L, lp_task_settle(L, t, ok, n));
  return 1;
}

/* Ends a promise: it is done, with these results. Returns false when it had ended already. It
 * raises for a task that is no promise.
 *
 * ```lua
 * local promise = task.promise()
 * print(promise:resolve(1, 2), promise:resolve(3), promise:await()) --> true false 1 2
 * ```
 * @function Task:resolve
 * @param ... any
 * @return boolean */
static int task_resolve(lua_State *L) {
  return settle(L, true, "Promise:resolve");
}

/* Ends a promise: it has failed, with this error. Returns false when it had ended already. It
 * raises for a task that is no promise.
 *
 * ```lua
 * local promise = task.promise()
 * promise:reject("broken")
 * print(promise:result()) --> false broken
 * ```
 * @function Task:reject
 * @param err any
 * @return boolean */
static int task_reject(lua_State *L) {
  return settle(L, false, "Promise:reject");
}

/* core.trace() -> {error, traceback} or nil: the latest error that this task raised or caught.
 * core.error_handler is for xpcall: it notes the traceback of an error that is caught, too. */
static int task_trace(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  if (!t) return 0;
  lp_task_push(L, t);
  lp_task_field(L, -1, LP_TASK_TRACE);
  return 1;
}

/* core.mark_awaited(task). The caller takes care of its error, so it is not reported. */
static int task_mark_awaited(lua_State *L) {
  lp_task_check(L, 1)->awaited = true;
  return 0;
}

/* core.count() -> how many tasks live now, this one counted: tests look for those left behind.
 */
static int task_count(lua_State *L) {
  lua_Integer n = 0;
  for (int place = 0; lp_task_next(lp_state_of(L), &place);) n++;
  lua_pushinteger(L, n);
  return 1;
}

const luaL_Reg lpb_task_functions[] = {{"spawn", task_spawn},
                                       {"promise", task_promise},
                                       {"current", task_current},
                                       {"now", task_now},
                                       {"sleep", task_sleep},
                                       {"sleep_unref", task_sleep_unref},
                                       {"yield", task_yield},
                                       {"turn", task_turn},
                                       {"trace", task_trace},
                                       {"error_handler", lp_task_error_handler},
                                       {"count", task_count},
                                       {"mark_awaited", task_mark_awaited},
                                       {"cancel_scope", task_cancel_scope},
                                       {"uncancel", task_uncancel},
                                       {NULL, NULL}};

const luaL_Reg lpb_task_methods[] = {{"await", task_await},   {"result", task_result},
                                     {"cancel", task_cancel}, {"status", task_status},
                                     {"name", task_name},     {"resolve", task_resolve},
                                     {"reject", task_reject}, {NULL, NULL}};
