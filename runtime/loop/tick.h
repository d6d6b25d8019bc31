/* loop/tick.h: a signal of a timer, again and again while a thread computes.
 *
 * A runtime has two one-shot timers: one of the CPU clock of the thread that runs it, for
 * slices and budgets, and one of the monotonic clock, for the end of a step. Both send the
 * signal that the host has granted. Several runtimes may share a thread, and a runtime may go
 * from thread to thread: it makes its timers anew there. The host's handler is called for
 * signals that are not of these timers, and is put back when the last runtime lets go of the
 * signal. A host that blocks the signal in a thread has it unblocked there while tasks run.
 * Layer: loop. Owner: lp_interrupt. */
#ifndef LP_LOOP_TICK_H
#define LP_LOOP_TICK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct lp_ticks {
  /* Called in the signal handler, in the thread that runs this runtime: the timer of the slice
   * has fired, or the other one. Set by the owner before all else. */
  void (*fire)(struct lp_ticks *t, bool slice);
  /* The signal, or 0 when none was granted. */
  int signal;
  /* Identifies the runtime in its signals. */
  unsigned number;
  /* Nanoseconds between two ticks; 0: no timer for slices. */
  int64_t interval;
  timer_t slice, step;
  bool has_slice, has_step;
  /* The timer of the step runs. */
  volatile bool armed;
  /* The number of the thread whose clock and signals the timers use; 0: none yet. */
  uint64_t thread;
  /* The signal is blocked in that thread while no task runs. */
  bool blocked;
  /* How many signals that thread had got when the timer was armed last. */
  unsigned seen;
} lp_ticks;

/* Takes the signal for this runtime. Returns 0 or a negative errno. */
int lp_tick_open(lp_ticks *t, int signal);

/* Sets the CPU time between two ticks, 0 for none, and starts the timer. Returns 0 or a
 * negative errno. */
int lp_tick_set_interval(lp_ticks *t, int64_t ns);

/* Deletes the timers and lets go of the signal. Safe on a zeroed struct, safe twice. */
void lp_tick_close(lp_ticks *t);

/* The calling thread begins to run tasks of this runtime. Returns the one whose task has called
 * that, or NULL. */
lp_ticks *lp_tick_enter(lp_ticks *t);

/* The thread has run them; `outer` is what lp_tick_enter returned. */
void lp_tick_leave(lp_ticks *t, lp_ticks *outer);

/* Starts the interval anew. The handler may call it. */
void lp_tick_arm(lp_ticks *t);

/* The next tick of the other timer comes at `ns` of the monotonic clock; 0: none. Returns false
 * when there is no such timer. Also called before lp_tick_enter. */
bool lp_tick_until(lp_ticks *t, uint64_t ns);

#endif
