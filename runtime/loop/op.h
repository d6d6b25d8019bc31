/* loop/op.h: a pending wait, the only way to suspend a task.
 *
 * A function that waits has four steps:
 *
 *     check the arguments                      may raise
 *     op = lp_op_new(L, &class, size)          last thing that may raise
 *     start it; on failure lp_op_finish(op, code)
 *     return lp_op_await(L, op, timeout)       suspends (unless already finished)
 *
 * An operation is woken exactly once, by lp_op_finish; later calls are dropped. It has two
 * holders: the task, from lp_op_new until the results are pushed, and whatever was started
 * outside (a handle, a transfer), for which the starter calls lp_op_hold and, in the last
 * callback, lp_op_release. Memory goes back with the last holder. Layer: loop. */
#ifndef LP_LOOP_OP_H
#define LP_LOOP_OP_H

#include <lua.h>
#include <stdbool.h>

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

typedef struct lp_op lp_op;
typedef struct lp_task lp_task;

typedef struct lp_op_class {
  const char *name; /* what the task waits for: "sleep", "http request" */

  /* Stops what was started, because of a cancel or a deadline, by calling lp_op_finish(op, why)
   * now or later: the task sleeps on until then. NULL: nothing to stop, finish at once; what
   * was started may still complete later and is dropped. */
  void (*cancel)(lp_op *op, int why);

  /* Runs inside the task after the operation has finished. Pushes the results, returns their
   * number; may raise. `op->status` is 0 or the negative code it ended with. NULL: no
   * results; a negative status raises (see lp_op_raise). */
  int (*results)(lua_State *L, lp_op *op);

  /* Gives back what the operation holds, not the op itself. May be NULL. */
  void (*close)(lp_op *op);

  /* For a dump: writes which one of its kind the operation waits for. May be NULL. */
  void (*which)(const lp_op *op, char *text, size_t size);

  /* The program itself waits so, and no script: a dump leaves the task out. */
  bool internal;
} lp_op_class;

/* Embed it as the first member of the operation's own struct. One that needs no more than this
 * is kept in the task, and cannot be held from outside. */
struct lp_op {
  const lp_op_class *class;
  /* The task that has made it, which lives at least until it is finished or dropped. */
  lp_task *task;
  /* 0 or a negative code, once it is finished. */
  int status;
  uint16_t holders;
  /* Its memory is the task's, or that of whoever placed it. */
  bool kept : 1;
  /* The task is suspended until it is finished. */
  bool waiting : 1;
  bool finished : 1;
  /* The class's `cancel` was called. */
  bool stopping : 1;
};

/* Makes an operation of `size` zeroed bytes (sizeof the embedding struct) for the current task.
 * Raises where the task may not be suspended, when it has been cancelled, and for want of
 * memory. L may be any coroutine of the current task. */
void *lp_op_new(lua_State *L, const lp_op_class *class, size_t size);

/* The same in memory of the caller, which the class's `close` gives back. Returns false, and
 * has done nothing, where a wait is refused: lp_op_refuse raises why, and names the wait
 * `what`. */
bool lp_op_place(lua_State *L, lp_op *op, const lp_op_class *class);
int lp_op_refuse(lua_State *L, const char *what);

/* Returns the loop to start it on. */
uv_loop_t *lp_op_loop(const lp_op *op);

/* Suspends the current task until `op` is finished; `timeout` in seconds, negative for none.
 * Use it as `return lp_op_await(L, op, -1)`: nothing of the calling function runs afterwards.
 */
int lp_op_await(lua_State *L, lp_op *op, double timeout);

/* Suspends the current task behind all ready ones, in place of lp_op_await; the operation
 * succeeds. */
int lp_op_yield(lua_State *L, lp_op *op);

/* Ends the operation with 0 or a negative code, and wakes the task. Never raises. */
void lp_op_finish(lp_op *op, int status);

/* Adds a holder; takes one away, and frees the operation with the last. */
void lp_op_hold(lp_op *op);
void lp_op_release(lp_op *op);

/* Asks a waiting operation to stop with the code `why`; no effect when it is finished or
 * already stopping. Called for a cancelled task and for a deadline. */
void lp_op_stop(lp_op *op, int why);

/* Puts the deadline of a waiting operation `timeout` seconds from now. Also from its `cancel`
 * with LP_ETIMEOUT, which then counts as not called. */
void lp_op_extend(lp_op *op, double timeout);

/* Raises the error of a failed operation: kind and text of `status`, and for a cancel the
 * task's reason. Use it from `results` for the codes that the operation has no better words
 * for. */
int lp_op_raise(lua_State *L, lp_op *op);

#endif
