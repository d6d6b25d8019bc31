/* loop/loop.h: turns of the loop: timers, ready tasks, flushes, then the poll.
 *
 * libuv drives everything: the scheduler is a prepare handle, so a loop that the host runs
 * itself works as well as luapool_run. Layer: loop. Owner: lp_state. */
#ifndef LP_LOOP_LOOP_H
#define LP_LOOP_LOOP_H

#include <stdint.h>

#include "runtime/loop/state.h"

/* Puts the scheduler's handles into st->loop. Returns 0 or a libuv error. */
int lp_loop_open(lp_state *st);

/* Closes the scheduler's handles; they are gone once the loop has turned. */
void lp_loop_close(lp_state *st);

/* Sets or moves the uv timer to the earliest deadline. Called when the heap's head changed. */
void lp_loop_rearm(lp_state *st);

/* Has the loop call t->fire in so many seconds, in place of the time that was asked for before.
 * lp_timer_stop takes it back. It keeps the loop alive. Returns 0 or LP_EMEMORY. */
int lp_loop_after(lp_state *st, lp_timer *t, double seconds);

/* Has the loop call f->run once before the next poll. No effect when that is asked for already.
 * Initialise f->link with lp_list_init and set f->run once; take it out with lp_list_remove
 * before f is freed. */
void lp_loop_flush(lp_state *st, lp_flush *f);

/* Lets the next poll not block, because there is something to do. */
void lp_loop_spin(lp_state *st);

/* Seconds of a monotonic clock, read now. */
static inline double lp_loop_now(void) {
  return (double)uv_hrtime() / 1e9;
}

#endif
