/* loop/op.c: the one way to wait: created, started, awaited, finished once. Layer: loop. */
#include "runtime/loop/op.h"

#include <lauxlib.h>
#include <math.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"

/* The results of the last wait have been pushed, or raising them failed: the task lets go. */
static void drop(lp_task *t) {
  lp_op *op = t->op;
  t->op = NULL;
  if (op) lp_op_release(op);
}

/* A cancelled task may not wait any more, except in a shield or while the error unwinds it. */
static bool refuses(const lp_task *t) {
  return t->cancelled && !t->shield && !t->unwinding;
}

static int raise_cancelled(lua_State *L, lp_task *t) {
  t->unwinding = true;
  lp_task_error_push_cancelled(L, t);
  return lua_error(L);
}

void *lp_op_new(lua_State *L, const lp_op_class *class, size_t size) {
  lp_state *st = lp_state_of(L);
  lp_task *t = st->current;
  if (!t || !lp_coroutine_suspendable(L)) {
    if (!t)
      lua_pushliteral(L, "no task is running");
    else
      lp_coroutine_push_obstacle(L);
    lp_raise(L, "cannot_wait", "cannot wait here (%s): %s", class->name, lua_tostring(L, -1));
  }
  drop(t);
  if (refuses(t)) raise_cancelled(L, t);
#ifdef LP_GCSTRESS
  lua_gc(L, LUA_GCCOLLECT);
#endif
  lp_op *op = lp_alloc_new(size);
  if (!op) lp_raise_code(L, LP_EMEMORY, class->name);
  op->class = class;
  op->st = st;
  op->holders = 1;
  t->op = op;
  return op;
}

static int complete(lua_State *L, lp_op *op) {
  lp_task *t = op->st->current;
  int count = 0;
  if (op->class->results)
    count = op->class->results(L, op);
  else if (op->status < 0)
    lp_op_raise(L, op);
  drop(t);
  return count;
}

static int resumed(lua_State *L, int status, lua_KContext op) {
  (void)status;
  return complete(L, (lp_op *)op);
}

static void on_deadline(lp_timer *t) {
  lp_op_stop(lp_list_of(t, lp_op, timer), LP_ETIMEOUT);
}

static int suspend(lua_State *L, lp_op *op) {
  op->since = (double)uv_now(op->st->loop) / 1e3;
  op->st->yielding = LP_YIELD_WAIT;
  return lua_yieldk(L, 0, (lua_KContext)op, resumed);
}

int lp_op_await(lua_State *L, lp_op *op, double timeout) {
  op->timer.fire = on_deadline;
  if (!op->finished && timeout >= 0 && lp_loop_after(op->st, &op->timer, timeout) < 0)
    lp_op_stop(op, LP_EMEMORY);
  if (op->finished) return complete(L, op);
  op->task = op->st->current;
  return suspend(L, op);
}

int lp_op_yield(lua_State *L, lp_op *op) {
  op->task = op->st->current;
  lp_op_finish(op, 0);
  return suspend(L, op);
}

void lp_op_finish(lp_op *op, int status) {
  if (op->finished) return;
  op->finished = true;
  op->status = status;
  lp_timer_stop(&op->st->timers, &op->timer);
  lp_task *t = op->task;
  op->task = NULL;
  if (t) lp_task_wake(t);
}

void lp_op_hold(lp_op *op) {
  op->holders++;
}

void lp_op_release(lp_op *op) {
  if (--op->holders > 0) return;
  lp_timer_stop(&op->st->timers, &op->timer);
  if (op->class->close) op->class->close(op);
  lp_alloc_free(op);
}

void lp_op_stop(lp_op *op, int why) {
  if (op->finished || op->stopping) return;
  op->stopping = true;
  if (op->class->cancel)
    op->class->cancel(op, why);
  else
    lp_op_finish(op, why);
}

void lp_op_extend(lp_op *op, double timeout) {
  op->stopping = false;
  if (lp_loop_after(op->st, &op->timer, timeout) < 0) lp_op_stop(op, LP_EMEMORY);
}

int lp_op_raise(lua_State *L, lp_op *op) {
  lp_task *t = op->st->current;
  int status = op->status;
  const char *name = op->class->name;
  drop(t); /* what it waited for may be collected once its stack is unwound */
  if (status == LP_ECANCELLED && t->cancelled) return raise_cancelled(L, t);
  return lp_raise_code(L, status, name);
}
