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

/* Calls the timers that are due, in a step some of them. Returns true when more are due. */
bool lp_loop_run_timers(lp_state *st);

/* Resumes tasks until there are none or it is time to poll. Returns true when more could be run
 * at once. */
bool lp_loop_run_tasks(lp_state *st);

/* Runs what lp_loop_flush was asked for. */
void lp_loop_run_flushes(lp_state *st);

/* True when tasks could run, or flushes, without anything that comes from outside. */
static inline bool lp_loop_has_work(const lp_state *st) {
  return !lp_list_empty(&st->ready) || !lp_list_empty(&st->preempted) ||
         !lp_list_empty(&st->flushes);
}

/* Turns the loop once without waiting, also when nothing is active in it. */
void lp_loop_poll(lp_state *st);

/* Sets or moves the uv timer to the earliest deadline. Called when the heap's head changed. */
void lp_loop_rearm(lp_state *st);

/* Has the loop call t->fire in so many seconds, in place of the time that was asked for before.
 * lp_timer_stop takes it back. It keeps the loop alive. Returns 0 or LP_EMEMORY. */
int lp_loop_after(lp_state *st, lp_timer *t, double seconds);

/* Has the loop call f->run once before the next poll. No effect when that is asked for already.
 * Initialise f->link with lp_list_init and set f->run once; take it out with lp_list_remove
 * before f is freed. */
void lp_loop_flush(lp_state *st, lp_flush *f);

/* Many transfers may have something to do at once. Asked behind each of them: returns true in a
 * step when they have had their time; what the caller leaves then is for the next turn. */
static inline bool lp_loop_io_over(lp_state *st) {
  if (!st->stepping || uv_hrtime() < st->io_end) return false;
  return st->io_left = true;
}

/* Lets the next poll not block, because there is something to do. */
void lp_loop_spin(lp_state *st);

/* Nanoseconds of the clock on which all deadlines stand, read now: that of the host, or the
 * monotonic one. */
static inline uint64_t lp_loop_clock(const lp_state *st) {
  return st->host_clock ? (uint64_t)st->host_clock(st->user) * 1000 : uv_hrtime();
}

/* The same in seconds. */
static inline double lp_loop_now(const lp_state *st) {
  return (double)lp_loop_clock(st) / 1e9;
}

#endif
