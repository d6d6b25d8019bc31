/* loop/task.h: a task: one root coroutine that may wait.
 *
 * The struct is the memory of a Lua userdata, `Task`. While it lives (from spawn to its end)
 * the runtime anchors it; afterwards only those who hold the Lua object do. Its results stay
 * with the Lua object. A task that only C made and that no script has seen is reused with its
 * coroutine. A promise is a task without a coroutine. Layer: loop. */
#ifndef LP_LOOP_TASK_H
#define LP_LOOP_TASK_H

#include <lua.h>
#include <stdbool.h>

#include "runtime/base/list.h"
#include "runtime/loop/state.h"

typedef struct lp_op lp_op;

typedef enum {
  LP_TASK_PENDING, /* not yet started */
  LP_TASK_RUNNING, /* started: running, ready or waiting */
  LP_TASK_DONE,
  LP_TASK_FAILED,
  LP_TASK_CANCELLED,
} lp_task_status;

struct lp_task {
  lp_state *st;
  lua_State *inner; /* where it was suspended by a slice; valid while it is preempted */
  lua_State *co;    /* NULL for a promise, and once ended */
  lp_list link;     /* in st->ready, st->preempted or st->idle */
  lp_list all;      /* in st->tasks */
  lp_list watchers; /* who waits for its end: lp_watch */
  lp_op *op;        /* what it waits for, kept until its results are pushed */
  lp_task_status status;
  int anchor;       /* reference in the table of st->anchors */
  int nresults;     /* once done: values in LP_TASK_VALUE */
  int nargs;        /* on the coroutine's stack for the first resume */
  int shield;       /* > 0: inside task.shield */
  uint64_t number;  /* for the dump, and for a worker's shared word */
  uint32_t attempt; /* of a task of a pool: counts its runs */
  bool cancelled;   /* cancel was asked for: each wait raises */
  bool expired;   /* it has had its time: its waits raise kind `timeout`, and it gets no further
                     slice */
  bool preempted; /* in st->preempted */
  bool unwinding; /* the cancel error is on its way up: <close> handlers may wait */
  bool exposed;   /* a script has seen the Task object or its coroutine: no reuse */
  bool awaited;   /* somebody has seen how it ended */
  bool more;      /* it has other fields than LP_TASK_VALUE */
  bool locals;    /* it has LP_TASK_LOCALS: */
  bool owns_locals; /* and no other task has the same table */
  /* Called once at its end, before the results are stored; the top of `co` holds `nres`
   * results, or one error when status is not LP_TASK_DONE. May be NULL. Never raises. */
  void (*on_end)(lp_task *t, lua_State *co, int nres);
  void *owner; /* for on_end */
};

/* Fields of a Task object. Its user value is the first, or a table of all when it has `more`.
 */
enum {
  LP_TASK_VALUE = 1, /* its coroutine; once ended its error, its result, or a list of results */
  LP_TASK_TRACE,     /* {error, traceback}: the latest error that this task raised or caught */
  LP_TASK_REASON,    /* of its cancellation */
  LP_TASK_NAME,
  LP_TASK_ARGS,    /* of a future */
  LP_TASK_LOCALS,  /* the table behind task.locals: see bindings/task_locals.c */
  LP_TASK_WITNESS, /* of a failed one, until somebody awaits it: see task_error.c */
  LP_TASK_FIELDS = LP_TASK_WITNESS
};

/* One who waits for the end of a task: embedded in an operation, linked in task->watchers. */
typedef struct lp_watch {
  lp_list link;
  void (*ended)(struct lp_watch *w, lp_task *t);
} lp_watch;

/* Makes a task that will call the function and the `nargs` arguments on top of L's stack, pops
 * them, and makes it ready. Pushes nothing. Raises for want of memory. The task is alive until
 * it has run; keep the pointer no longer than that. */
lp_task *lp_task_spawn(lua_State *L, int nargs);

/* Pushes the Task object; it is `exposed` from then on. */
void lp_task_push(lua_State *L, lp_task *t);

/* The same for ourselves, of a live task: it may be reused. */
void lp_task_object(lua_State *L, lp_task *t);

/* Pushes a field of the Task object at `index`, or nil. Returns its type. */
int lp_task_field(lua_State *L, int index, int field);

/* Pops a value into a field of the Task object at `index`. */
void lp_task_set_field(lua_State *L, int index, int field);

/* Asks a task to end. Returns false when it had ended already. The reason, any Lua value, is on
 * top of L's stack and is popped; it becomes `reason` of the error that the task gets. */
bool lp_task_cancel(lua_State *L, lp_task *t);

/* The same without a reason, from C callbacks: touches no Lua value. */
bool lp_task_stop(lp_task *t);

/* Forgets a task that has not been started. */
void lp_task_abandon(lp_task *t);

/* The task has had its time: its waits raise kind `timeout`, and when it does not wait it is
 * closed after its slice, so that no pcall loop eats the error. */
void lp_task_expire(lp_task *t);

/* Makes a suspended task ready to be resumed. */
void lp_task_wake(lp_task *t);

/* Runs a ready task until it waits, has used up a slice, or ends. Called by the loop. */
void lp_task_resume(lp_task *t);

/* Pushes what the ended task at `index` has come to: its results when it is done, else its
 * error. Returns how many values. The error of a failed task is noted as the latest one that
 * the current task caught, and counts as awaited. */
int lp_task_push_outcome(lua_State *L, int index);

/* Makes a promise, a task without a coroutine, and pushes its Task object. */
lp_task *lp_task_promise(lua_State *L);

/* Ends a promise with the `n` values on top of L's stack, popped: results (ok) or one error.
 * Returns false when it had ended already. */
bool lp_task_settle(lua_State *L, lp_task *p, bool ok, int n);

/* The state is about to be closed under a task that has not ended. */
void lp_task_drop(lp_task *t);

/* Puts the Task class into the registry. Once, when a state is opened. */
void lp_task_open(lua_State *L);

/* True once it is done, failed or cancelled. */
static inline bool lp_task_ended(const lp_task *t) {
  return t->status >= LP_TASK_DONE;
}

/* The value at `index` if it is a Task, else NULL. */
lp_task *lp_task_test(lua_State *L, int index);

/* The argument at `arg`, a Task; raises when it is something else. */
lp_task *lp_task_check(lua_State *L, int arg);

/* ---- task_error.c ---- */

/* Stack: an error that the task at `index` has raised. Puts its text in its place: message and
 * traceback. */
void lp_task_error_describe(lua_State *L, int index);

/* The host will be told of the error of this failed task when it is collected, unless somebody
 * has awaited it. May raise for want of memory. */
void lp_task_error_witness(lua_State *L, lp_task *t);

/* Stack: error, traceback. Notes them as the latest that the current task has caught; pops the
 * traceback. */
void lp_task_error_note(lua_State *L);

/* The message handler of every task: takes the traceback where the error is raised. */
int lp_task_error_handler(lua_State *L);

/* The error on top, raised by the task at `index`, is caught here and now: error.traceback
 * finds its traceback in the current task. */
void lp_task_error_caught(lua_State *L, int index);

/* A Lua function of two light userdata, the task and its innermost coroutine: the error of a
 * task that has had its time. */
int lp_task_error_expired(lua_State *L);

/* Pushes the error object of kind `cancelled`, with the reason. */
void lp_task_error_push_cancelled(lua_State *L, lp_task *t);

#endif
