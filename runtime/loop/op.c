/* loop/op.c: the one way to wait: an operation is made, started, awaited and finished once.
 * Layer: loop. */
#include "runtime/loop/op.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"

/* What runs for each wait. */
#define OFTEN inline __attribute__((always_inline))

/* Lets the task go of its operation, whose results have been pushed or whose error is raised.
 */
static OFTEN void drop(lp_task *t) {
  lp_op *op = lp_task_op(t);
  t->has_op = LP_TASK_NO_OP;
  if (op) lp_op_release(op);
}

/* A cancelled task may not wait any more, except in a shield or while the error unwinds it. */
static OFTEN bool refuses(const lp_task *t) {
  return t->cancelled && !t->shield && !t->unwinding;
}

/* True where the current task may begin to wait. */
static OFTEN bool may_wait(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  return t && lp_coroutine_suspendable(L) && !refuses(t);
}

int lp_op_refuse(lua_State *L, const char *what) {
  lp_task *t = lp_state_of(L)->current;
  if (t && lp_coroutine_suspendable(L)) return lp_task_cancel_raise(L);
  if (t)
    lp_coroutine_push_obstacle(L);
  else
    lua_pushliteral(L, "no task is running");
  return lp_raise(L, "cannot_wait", "cannot wait here (%s): %s", what, lua_tostring(L, -1));
}

static OFTEN void begin(lp_task *t, lp_op *op, const lp_op_class *class, bool kept) {
  *op = (lp_op){.class = class, .task = t, .holders = 1, .kept = kept};
  if (op != &t->own) t->other = op;
  t->has_op = op == &t->own ? LP_TASK_OWN_OP : LP_TASK_OTHER_OP;
}

void *lp_op_new(lua_State *L, const lp_op_class *class, size_t size) {
  if (!may_wait(L)) lp_op_refuse(L, class->name);
  lp_task *t = lp_state_of(L)->current;
  drop(t);
#ifdef LP_GCSTRESS
  lua_gc(L, LUA_GCCOLLECT);
#endif
  bool kept = size == sizeof(lp_op);
  lp_op *op = kept ? &t->own : lp_alloc_new(size);
  if (!op) lp_raise_code(L, LP_EMEMORY, class->name);
  begin(t, op, class, kept);
  return op;
}

bool lp_op_place(lua_State *L, lp_op *op, const lp_op_class *class) {
  if (!may_wait(L)) return false;
  lp_task *t = lp_state_of(L)->current;
  drop(t);
  begin(t, op, class, true);
  return true;
}

uv_loop_t *lp_op_loop(const lp_op *op) {
  return op->task->st->loop;
}

static int complete(lua_State *L, lp_op *op) {
  lp_task *t = lp_state_of(L)->current;
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
  lp_op_stop(lp_task_op(lp_list_of(t, lp_task, deadline)), LP_ETIMEOUT);
}

static int suspend(lua_State *L, lp_op *op) {
  lp_state *st = op->task->st;
  op->task->since = (uint32_t)uv_now(st->loop);
  st->yielding = LP_YIELD_WAIT;
  return lua_yieldk(L, 0, (lua_KContext)op, resumed);
}

int lp_op_await(lua_State *L, lp_op *op, double timeout) {
  if (op->finished) return complete(L, op);
  lp_task *t = op->task;
  t->deadline = (lp_timer){.fire = on_deadline};
  if (timeout >= 0 && lp_loop_after(t->st, &t->deadline, timeout) < 0)
    lp_op_stop(op, LP_EMEMORY);
  if (op->finished) {
    lp_list_init(&t->link); /* the deadline stood in its place */
    return complete(L, op);
  }
  op->waiting = true;
  return suspend(L, op);
}

int lp_op_yield(lua_State *L, lp_op *op) {
  op->task->deadline = (lp_timer){0};
  op->waiting = true;
  lp_op_finish(op, 0);
  return suspend(L, op);
}

void lp_op_finish(lp_op *op, int status) {
  if (op->finished) return;
  op->finished = true;
  op->status = status;
  if (!op->waiting) return;
  op->waiting = false;
  lp_timer_stop(&op->task->st->timers, &op->task->deadline);
  lp_task_wake(op->task);
}

void lp_op_hold(lp_op *op) {
  if (op->kept) abort();
  op->holders++;
}

void lp_op_release(lp_op *op) {
  bool kept = op->kept; /* `close` gives a placed one back */
  if (--op->holders > 0) return;
  if (op->class->close) op->class->close(op);
  if (!kept) lp_alloc_free(op);
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
  lp_task *t = op->task;
  if (lp_loop_after(t->st, &t->deadline, timeout) < 0) lp_op_stop(op, LP_EMEMORY);
}

int lp_op_raise(lua_State *L, lp_op *op) {
  lp_task *t = lp_state_of(L)->current;
  int status = op->status;
  const char *name = op->class->name;
  drop(t); /* what it waited for may be collected once its stack is unwound */
  if (status == LP_ECANCELLED && t->cancelled) return lp_task_cancel_raise(L);
  return lp_raise_code(L, status, name);
}
