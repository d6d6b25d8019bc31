/* bindings/pool/call.c: one call of a pool. pool:apply waits for it, pool:submit makes a future
 * of it. Layer: bindings. Process: main. */
#include "bindings/pool/call.h"

#include "bindings/pool/outcome.h"
#include "bindings/pool/pool.h"
#include "runtime/base/error.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/wire/wire.h"

static void check_pending(lua_State *L, const lp_pool *pool) {
  uint32_t most = pool->crew.options.max_pending;
  if (most && pool->calls.counts.pending >= most)
    lp_raise(L, "rejected", "the pool has %d tasks that wait already (max_pending)", (int)most);
}

/* Submits a call. The stack holds the pool at 1, and from `first` on the function and its
 * arguments, which a graph replaces. The caller holds the call. */
static lp_call *submit(lua_State *L, int first) {
  lp_pool *pool = lpb_pool_check(L, 1);
  lp_buf *bytes, *protos;
  luaL_checktype(L, first, LUA_TFUNCTION);
  lpb_pool_check_open(L, pool);
  check_pending(L, pool);
  int n = lua_gettop(L) - first + 1;
  lp_wire_graph(L);
  int graph = lua_gettop(L);
  lpb_pool_encode(L, pool, graph, 1, first, n, &bytes, &protos);
  lua_replace(L, first);
  lua_settop(L, first);
  uint32_t nprotos = (uint32_t)(protos->len / sizeof(uint32_t));
  lp_call *call =
      lp_call_new(NULL, (const uint32_t *)protos->data, nprotos, bytes->data, bytes->len);
  if (!call) lp_raise_code(L, LP_EMEMORY, "cannot send the task");
  int rc = lp_pool_submit(pool, call);
  if (rc == 0) return call;
  lp_call_release(call);
  lp_raise_code(L, rc, "cannot send the task");
  return NULL;
}

typedef struct call_op {
  lp_op op;
  lp_call *call;
  int why; /* the code of a cancel, or 0 */
} call_op;

static void call_ended(lp_call *call) {
  call_op *c = call->owner;
  lp_op_finish(&c->op, c->why);
}

static void call_cancel(lp_op *op, int why) {
  call_op *c = (call_op *)op;
  c->why = why;
  lp_pool_cancel(c->call);
}

/* Stack of the waiting function: the graph at 2. */
static int call_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  int n = lpb_pool_outcome_push(L, ((call_op *)op)->call, 2);
  return n < 0 ? lua_error(L) : n;
}

static void call_close(lp_op *op) {
  lp_call *call = ((call_op *)op)->call;
  if (!call) return;
  call->ended = NULL;
  lp_pool_cancel(call);
  lp_call_release(call);
}

static const lp_op_class call_class = {.name = "task of a pool",
                                       .cancel = call_cancel,
                                       .results = call_results,
                                       .close = call_close};

static int await_call(lua_State *L, call_op *c, lp_call *call) {
  c->call = call;
  call->owner = c;
  call->ended = call_ended;
  if (lp_call_ended(call)) lp_op_finish(&c->op, 0);
  return lp_op_await(L, &c->op, -1);
}

/* pool:apply(fn, ...) -> results of fn(...), run in a worker. Waits; raises its error. */
static int pool_apply(lua_State *L) {
  call_op *c = lp_op_new(L, &call_class, sizeof *c);
  return await_call(L, c, submit(L, 2));
}

/* A call that the pool has cancelled makes its future a cancelled task. */
static int future_results(lua_State *L, lp_op *op) {
  if (((call_op *)op)->call->state == LP_CALL_CANCELLED) op->task->cancelled = true;
  return call_results(L, op);
}

static const lp_op_class future_class = {.name = "task of a pool",
                                         .cancel = call_cancel,
                                         .results = future_results,
                                         .close = call_close};

/* The task behind a future. Stack: the call (light), its graph, the pool, which must outlive
 * it. */
static int run_future(lua_State *L) {
  lp_call *call = lua_touserdata(L, 1);
  call_op *c = lp_op_new(L, &future_class, sizeof *c);
  call->holders++;
  return await_call(L, c, call);
}

static void future_ended(lp_task *t, lua_State *co, int nres) {
  (void)co, (void)nres;
  lp_call *call = lp_task_owner(t, future_ended);
  lp_pool_cancel(call);
  lp_call_release(call);
}

/* Pushes a list of the arguments from 3 on, with `n`. */
static void push_args(lua_State *L) {
  int n = lua_gettop(L) - 2;
  lua_createtable(L, n > 0 ? n : 0, 1);
  for (int i = 1; i <= n; i++) {
    lua_pushvalue(L, i + 2);
    lua_rawseti(L, -2, i);
  }
  lua_pushinteger(L, n);
  lua_setfield(L, -2, "n");
}

/* Protected, as a task costs memory. Stack: the call (light), its graph, the pool. Leaves the
 * task, which holds the call from now on. */
static int spawn_future(lua_State *L) {
  lp_call *call = lua_touserdata(L, 1);
  lua_pushcfunction(L, run_future);
  lua_insert(L, 1);
  lp_task *t = lp_task_spawn(L, 3);
  lp_task_own(t, future_ended, call);
  lua_pushlightuserdata(L, t);
  return 1;
}

/* pool:submit(fn, ...) -> Future: a Task; its `args` are the arguments. Raises at once when
 * they cannot travel. */
static int pool_submit(lua_State *L) {
  push_args(L);
  lua_insert(L, 2);
  lp_call *call = submit(L, 3);
  lua_pushcfunction(L, spawn_future);
  lua_pushlightuserdata(L, call);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 3, 1, 0) != LUA_OK) {
    lp_pool_cancel(call);
    lp_call_release(call);
    return lua_error(L);
  }
  lp_task_push(L, lua_touserdata(L, -1));
  lua_pushvalue(L, 2);
  lp_task_set_field(L, -2, LP_TASK_ARGS);
  return 1;
}

const luaL_Reg lpb_pool_call_methods[] = {
    {"apply", pool_apply}, {"submit", pool_submit}, {NULL, NULL}};
