/* loop/task.h: a task: one root coroutine that may wait.
 *
 * The struct is the memory of a Lua userdata, the Task object. The runtime holds that object
 * from the spawn of the task to its end; afterwards only those who have the Lua value do. The
 * results of the task stay with the object. A task that C made, and that no script has seen, is
 * used again with its coroutine. A promise is a task without a coroutine. Layer: loop. */
#ifndef LP_LOOP_TASK_H
#define LP_LOOP_TASK_H

#include <lua.h>
#include <stdbool.h>

#include "runtime/base/list.h"
#include "runtime/loop/op.h"
#include "runtime/loop/state.h"
#include "runtime/loop/timer.h"
#include "runtime/loop/watch.h"

typedef enum {
  LP_TASK_PENDING, /* not yet started */
  LP_TASK_RUNNING, /* started: running, ready or waiting */
  LP_TASK_DONE,
  LP_TASK_FAILED,
  LP_TASK_CANCELLED,
} lp_task_status;

/* There may be a million tasks: fields that are never needed at the same time share a place. */
struct lp_task {
  lp_state *st;
  /* NULL for a promise, and once the task has ended. */
  lua_State *co;
  union {
    /* In st->ready, st->preempted or st->idle, unless it waits. */
    lp_list link;
    /* The deadline of its wait. */
    lp_timer deadline;
  };
  /* Who waits for its end, the latest first. */
  lp_watch *watchers;
  /* The operation that it waits for, until its results are pushed: lp_task_op knows which. */
  union {
    lp_op own;
    lp_op *other;
  };
  /* It identifies the task in a dump and in st->on_cpu. */
  uint64_t number : 48;
  /* The number of the environment that it runs in. */
  uint64_t environment : 16;
  /* The number under which the runtime holds the Task object. */
  int anchor;
  union {
    /* While it waits: when the wait began, in milliseconds of the loop's clock. */
    uint32_t since;
    /* While it does not: microseconds of CPU since its last wait, as ticks have found. */
    uint32_t used;
    /* Once it is done: how many values LP_TASK_VALUE has. */
    int nresults;
  };
  /* It counts the runs of a task of a pool. */
  uint16_t attempt;
  /* How many calls of task.shield it is inside of. */
  uint16_t shield;
  lp_task_status status : 8;
  /* Where its operation is: nowhere, in `own`, at `other`. */
  enum { LP_TASK_NO_OP, LP_TASK_OWN_OP, LP_TASK_OTHER_OP } has_op : 2;
  /* It is an lp_task_owned. */
  bool owned : 1;
  /* It is to end: each wait raises. */
  bool cancelled : 1;
  /* Its cancellation is that of a scope, which may take it back. */
  bool revocable : 1;
  /* The error of its cancellation has been raised in it. */
  bool told : 1;
  /* It has had its time: its waits raise kind `timeout`, and it gets no further slice. */
  bool expired : 1;
  /* It is in st->preempted because it has used up a slice. */
  bool preempted : 1;
  /* The error of its cancellation is on its way up: <close> handlers may wait. */
  bool unwinding : 1;
  /* A script has seen the Task object, which is not used again then. */
  bool exposed : 1;
  /* A script has seen the coroutine, which is not used again then. */
  bool entered : 1;
  /* Somebody has seen how it ended. */
  bool awaited : 1;
  /* Its object has other fields than LP_TASK_VALUE. */
  bool more : 1;
  /* Its object has LP_TASK_LOCALS. */
  bool locals : 1;
  /* No other task has the same table there. */
  bool owns_locals : 1;
  /* It has used up limits.task_us. */
  bool broke : 1;
  /* The slices that it has used up since it has caught that error. */
  unsigned overruns : 7;
};

/* Called once at the end of a task, before the results are stored; the top of `co` holds `nres`
 * results, or one error when status is not LP_TASK_DONE. Never raises. */
typedef void (*lp_task_end)(lp_task *t, lua_State *co, int nres);

/* A task that lp_task_spawn makes. */
typedef struct lp_task_owned {
  lp_task task;
  /* It is called at the end of the task, unless it is NULL. */
  lp_task_end on_end;
  void *owner;
} lp_task_owned;

/* Ended tasks that no script has seen, kept with their coroutines; and coroutines of others. */
enum { LP_TASK_MOST_IDLE = 256 };

/* Fields of a Task object. Its user value is the first, or a table of all when it has `more`.
 */
enum {
  LP_TASK_VALUE = 1, /* its coroutine; once ended its error, its result, or a list of results */
  LP_TASK_TRACE,     /* {error, traceback}: the latest error that this task raised or caught */
  LP_TASK_REASON,    /* of its cancellation; the error of one that has used up task_us */
  LP_TASK_NAME,
  LP_TASK_ARGS,    /* of a future */
  LP_TASK_LOCALS,  /* the table behind task.locals: see bindings/task/locals.c */
  LP_TASK_WITNESS, /* of a failed one, until somebody awaits it: see task_error.c */
  LP_TASK_FIELDS = LP_TASK_WITNESS
};

/* A task that has caught the error of its cancellation may go on for so many slices, to clean
 * up or out of obstinacy. Then it is closed. */
enum { LP_TASK_MOST_OVERRUNS = 100 };

/* ---- task_spawn.c ---- */

/* Makes a task that will call the function and the `nargs` arguments on top of L's stack, pops
 * them, and makes it ready. Pushes nothing. Raises for want of memory. The task is alive until
 * it has run; keep the pointer no longer than that. */
lp_task *lp_task_spawn(lua_State *L, int nargs);

/* The same for a script: the Task object is pushed, the rest of the stack is of no use then. */
lp_task *lp_task_spawn_exposed(lua_State *L, int nargs);

/* Makes a promise, a task without a coroutine, and pushes its Task object. */
lp_task *lp_task_spawn_promise(lua_State *L);

/* ---- task.c: the Task object ---- */

/* Puts the Task class and the tables of tasks into the registry. Once, when a state is opened.
 */
void lp_task_open(lua_State *L);

/* Stack: a new Task object, which gets its class. */
void lp_task_give_class(lua_State *L);

/* Pushes the Task object; it is `exposed` from then on. */
void lp_task_push(lua_State *L, lp_task *t);

/* The same for ourselves, of a live task: it may be reused. */
void lp_task_object(lua_State *L, lp_task *t);

/* The value at `index` if it is a Task, else NULL. */
lp_task *lp_task_test(lua_State *L, int index);

/* The argument at `arg`, a Task; raises when it is something else. */
lp_task *lp_task_check(lua_State *L, int arg);

/* Pushes a field of the Task object at `index`, or nil. Returns its type. */
int lp_task_field(lua_State *L, int index, int field);

/* Pops a value into a field of the Task object at `index`. */
void lp_task_set_field(lua_State *L, int index, int field);

/* Pops a table of all fields but LP_TASK_VALUE for the Task object at `index`, which has none
 * but that. Never raises. */
void lp_task_give_more(lua_State *L, int index);

/* ---- task.c: its life ---- */

/* Walks the tasks that have not ended: from `*place` 0 on, NULL at the end. */
lp_task *lp_task_next(lp_state *st, int *place);

/* What happens at the end of a task that was made by lp_task_spawn. */
void lp_task_own(lp_task *t, lp_task_end on_end, void *owner);

/* What lp_task_own was told with this `on_end`; NULL for all other tasks. */
void *lp_task_owner(lp_task *t, lp_task_end on_end);

/* What the task waits for, or waited for and has not yet taken the results of; or NULL. */
static inline lp_op *lp_task_op(lp_task *t) {
  return t->has_op == LP_TASK_OWN_OP     ? &t->own
         : t->has_op == LP_TASK_OTHER_OP ? t->other
                                         : NULL;
}

/* The same as lp_task_cancel without a reason, from C callbacks: touches no Lua value. */
bool lp_task_stop(lp_task *t);

/* Makes a suspended task ready to be resumed. */
void lp_task_wake(lp_task *t);

/* Runs a ready task until it waits, has used up a slice, or ends. Called by the loop. */
void lp_task_resume(lp_task *t);

/* Ends a task with the `nres` values on top of its coroutine. */
void lp_task_finish(lp_task *t, int nres);

/* Pushes what the ended task at `index` has come to: its results when it is done, else its
 * error. Returns how many values. The error of a failed task is noted as the latest one that
 * the current task caught, and counts as awaited. */
int lp_task_push_outcome(lua_State *L, int index);

/* Ends a promise with the `n` values on top of L's stack, popped: results (ok) or one error.
 * Returns false when it had ended already. */
bool lp_task_settle(lua_State *L, lp_task *p, bool ok, int n);

/* The state is about to be closed under a task that has not ended. */
void lp_task_drop(lp_task *t);

/* It is not among the live ones any more. */
void lp_task_unanchor(lp_task *t);

/* True once it is done, failed or cancelled. */
static inline bool lp_task_ended(const lp_task *t) {
  return t->status >= LP_TASK_DONE;
}

/* ---- task_cancel.c ---- */

/* Asks a task to end. Returns false when it had ended already. The reason, any Lua value, is on
 * top of L's stack and is popped; it becomes `reason` of the error that the task gets. */
bool lp_task_cancel(lua_State *L, lp_task *t);

/* The same as lp_task_cancel for a scope of the task and not for the whole:
 * lp_task_cancel_revoke takes it back, unless somebody else cancels the task before that. */
void lp_task_cancel_scope(lua_State *L, lp_task *t);

/* The current task leaves a scope that was cancelled: it may wait again. Does nothing when
 * it was not, or has been cancelled as a whole. */
void lp_task_cancel_revoke(lp_task *t);

/* Raises the error of the current task's cancellation in it: a wait does, and the end of a
 * slice. */
int lp_task_cancel_raise(lua_State *L);

/* The current task has used up a slice. True when it has been cancelled and is to be told so
 * now: at its first slice since, whatever it does. `stuck`: it cannot be suspended. */
bool lp_task_cancel_overruns(lp_task *t, bool stuck);

/* ---- task_close.c ---- */

/* A task that was suspended by a slice is closed instead of being resumed. Its <close> handlers
 * run as the task; they cannot wait. */
void lp_task_close(lp_task *t);

/* Closes the coroutine of a task that has not run to its end, for lp_task_finish. */
void lp_task_close_reset(lp_task *t);

/* The task has had its time: its waits raise kind `timeout`, and when it does not wait it is
 * closed after its slice, so that no pcall loop eats the error. */
void lp_task_close_expired(lp_task *t);

/* A preempted task is closed with an error of kind `memory`. */
void lp_task_close_starved(lp_task *t);

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

/* A Lua function of two light userdata, a task that is closed where it was suspended and its
 * innermost coroutine: the error that the task ends with. */
int lp_task_error_closed(lua_State *L);

/* Pushes the error object of kind `cancelled`, with the reason. */
void lp_task_error_push_cancelled(lua_State *L, lp_task *t);

#endif
