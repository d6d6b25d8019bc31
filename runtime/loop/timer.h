/* loop/timer.h: deadlines, in a heap.
 *
 * One heap holds every deadline of a runtime, with one uv_timer_t behind it. Times are
 * nanoseconds of lp_loop_clock. Of those that are due at the same time, the first is the one
 * that was started first. Layer: loop. Owner of a lp_timer: the struct that embeds it. */
#ifndef LP_LOOP_TIMER_H
#define LP_LOOP_TIMER_H

#include <stddef.h>
#include <stdint.h>

typedef struct lp_timer {
  /* It is called once when the timer is due and out of the heap. */
  void (*fire)(struct lp_timer *t);
  /* Its index in the heap, plus 1; 0 when it is not there, as in a zeroed struct. */
  uint32_t place;
  /* Which of the timers that were started it is. */
  uint32_t number;
} lp_timer;

/* The time stands beside the timer, so that looking for the earliest touches no timer. */
typedef struct lp_deadline {
  uint64_t due;
  lp_timer *timer;
} lp_deadline;

typedef struct lp_timers {
  lp_deadline *heap;
  uint32_t len, cap;
  /* How many were ever started; it may wrap around. */
  uint32_t started;
} lp_timers;

/* Adds a timer that is not in the heap. Returns 0 or LP_EMEMORY. */
int lp_timer_start(lp_timers *h, lp_timer *t, uint64_t due);

/* Takes a timer out. No effect when it is not in the heap. */
void lp_timer_stop(lp_timers *h, lp_timer *t);

/* Returns the earliest timer, or NULL. */
static inline lp_timer *lp_timer_first(const lp_timers *h) {
  return h->len ? h->heap[0].timer : NULL;
}

/* Returns when a timer is due; UINT64_MAX when it is NULL or not in the heap. */
static inline uint64_t lp_timer_due(const lp_timers *h, const lp_timer *t) {
  return t && t->place ? h->heap[t->place - 1].due : UINT64_MAX;
}

/* Frees the heap, not the timers. */
void lp_timer_close(lp_timers *h);

#endif
