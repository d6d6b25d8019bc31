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
  uint32_t place; /* 1 + index in the heap; 0: not in it, as in a zeroed struct */
} lp_timer;

/* The time stands beside the timer, so that looking for the earliest touches no timer. */
typedef struct lp_deadline {
  uint64_t due;
  lp_timer *timer;
} lp_deadline;

typedef struct lp_timers {
  lp_deadline *heap;
  uint32_t len, cap;
} lp_timers;

/* Adds a timer that is not in the heap. Returns 0 or LP_EMEMORY. */
int lp_timer_start(lp_timers *h, lp_timer *t, uint64_t due);

/* Takes it out; no effect when it is not in. */
void lp_timer_stop(lp_timers *h, lp_timer *t);

/* The earliest timer, or NULL. */
static inline lp_timer *lp_timer_first(const lp_timers *h) {
  return h->len ? h->heap[0].timer : NULL;
}

/* When a timer is due; UINT64_MAX when it is not in the heap, or NULL. */
static inline uint64_t lp_timer_due(const lp_timers *h, const lp_timer *t) {
  return t && t->place ? h->heap[t->place - 1].due : UINT64_MAX;
}

void lp_timer_close(lp_timers *h);

#endif
