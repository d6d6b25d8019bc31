/* base/grace.h: how long those who end something wait before their next, harder step.
 *
 * A run that is stopped (Ctrl-C, TERM, HUP, --timeout) ends in these steps.
 *
 * First, a job pulls no more items; those that run may finish, for STOP; then `done` runs, for
 * STOP too. A second signal skips both.
 *
 * Second, the tasks of the run are cancelled and may unwind, for STOP, and the pools of a job
 * are terminated. Then the process ends at once, as it does by a second signal to a script and
 * by a third one to a job.
 *
 * Third, when the main task has ended before that, the runtime closes: what is left is
 * cancelled and may unwind, for CLOSE.
 *
 * Beside the second and the third step each worker is asked to leave. It cancels its calls,
 * closes those that do not wait after LAST, and is killed after WORKER.
 *
 * Fourth, workers that are left are killed, and the process that forks them waits until they
 * are dead, for REAP at most: one that hangs in the kernel is left behind.
 *
 * So the worst case, in which tasks cling to life in each step, is 20 s for a job and 10 s for
 * a script, and 2 s more with a worker that cannot die. A main that is stuck in a C function
 * takes no step: --timeout ends its process STUCK later, the second signal at once. A worker
 * whose call is stuck so is killed STUCK after the call's task_timeout. A worker that stays
 * stopped by a signal, or that has hung up and does not end, is killed FROZEN later, after a
 * second look for AGAIN: main may have been stopped as well. Layer: base. */
#ifndef LP_BASE_GRACE_H
#define LP_BASE_GRACE_H

/* Milliseconds. */
enum {
  LP_GRACE_STOP = 5000,   /* a job or a script that was asked to stop may finish */
  LP_GRACE_CLOSE = 5000,  /* cancelled tasks of a runtime that closes may unwind */
  LP_GRACE_WORKER = 2000, /* a worker that was asked to leave may do so, until it is killed */
  LP_GRACE_TASK = 5000,   /* a cancelled call of a worker that does not wait may go on */
  LP_GRACE_LAST = 500,    /* the same when the worker is to leave */
  LP_GRACE_STUCK = 1000,  /* a C function may come back after the time was up */
  LP_GRACE_FROZEN = 2000, /* a worker may be stopped, or take to end when it has hung up */
  LP_GRACE_AGAIN = 200,   /* and so long once more, until it is killed */
  LP_GRACE_REAP = 2000,   /* killed workers may take to die */
};

/* Seconds of one of them. */
static inline double lp_grace_seconds(int milliseconds) {
  return milliseconds / 1e3;
}

#endif
