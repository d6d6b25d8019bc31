/* loop/timer.h: deadlines, in a heap.
 *
 * One heap holds every deadline of a runtime, with one uv_timer_t behind it. Times are
 * nanoseconds of uv_hrtime. Layer: loop. Owner of a lp_timer: the struct that embeds it. */
#ifndef LP_LOOP_TIMER_H
#define LP_LOOP_TIMER_H

#include <stddef.h>
#include <stdint.h>

typedef struct lp_timer {
  void (*fire)(struct lp_timer *t); /* called once when due, the timer being out of the heap */
  uint64_t due;
  size_t place; /* 1 + index in the heap; 0: not in it, as in a zeroed struct */
} lp_timer;

typedef struct lp_timers {
  lp_timer **heap;
  size_t len, cap;
} lp_timers;

/* Adds a timer that is not in the heap. Returns 0 or LP_EMEMORY. */
int lp_timer_start(lp_timers *h, lp_timer *t, uint64_t due);

/* Takes it out; no effect when it is not in. */
void lp_timer_stop(lp_timers *h, lp_timer *t);

/* The earliest timer, or NULL. */
static inline lp_timer *lp_timer_first(const lp_timers *h) {
  return h->len ? h->heap[0] : NULL;
}

void lp_timer_close(lp_timers *h);

#endif
