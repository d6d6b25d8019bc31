/* base/clock.h: a clock that costs next to nothing and ticks every few milliseconds, and one of
 * the thread's CPU. Layer: base, libc only. */
#ifndef LP_BASE_CLOCK_H
#define LP_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of a monotonic clock, from some moment on. Safe in a signal handler. */
static inline int64_t lp_clock_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Nanoseconds of CPU that the calling thread has used; a system call. */
static inline int64_t lp_clock_cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
