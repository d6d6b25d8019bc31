/* loop/timer.c: a heap in which each deadline has four below it, as those that are compared
 * share a cache line then. Each timer keeps its place, so that it can be taken out. Layer:
 * loop. */
#include "runtime/loop/timer.h"

#include <stdbool.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

enum { WAYS = 4 };

/* Timers of the same time differ by less than half of all numbers. */
static inline bool before(lp_deadline a, lp_deadline b) {
  if (a.due != b.due) return a.due < b.due;
  return (int32_t)(a.timer->number - b.timer->number) < 0;
}

static void put(lp_timers *h, uint32_t i, lp_deadline d) {
  h->heap[i] = d;
  d.timer->place = i + 1;
}

static void sift_up(lp_timers *h, uint32_t i, lp_deadline d) {
  for (uint32_t parent; i > 0; i = parent) {
    parent = (i - 1) / WAYS;
    if (before(h->heap[parent], d)) break;
    put(h, i, h->heap[parent]);
  }
  put(h, i, d);
}

static void sift_down(lp_timers *h, uint32_t i, lp_deadline d) {
  for (uint32_t least; (least = WAYS * i + 1) < h->len; i = least) {
    uint32_t end = h->len - least < WAYS ? h->len : least + WAYS;
    for (uint32_t child = least + 1; child < end; child++)
      if (before(h->heap[child], h->heap[least])) least = child;
    if (before(d, h->heap[least])) break;
    put(h, i, h->heap[least]);
  }
  put(h, i, d);
}

static int grow(lp_timers *h) {
  if (h->cap > UINT32_MAX / WAYS / 2) return LP_EMEMORY;
  uint32_t cap = h->cap ? h->cap * 2 : 16;
  lp_deadline *heap = lp_alloc_resize(h->heap, cap * sizeof *heap);
  if (!heap) return LP_EMEMORY;
  h->heap = heap;
  h->cap = cap;
  return 0;
}

int lp_timer_start(lp_timers *h, lp_timer *t, uint64_t due) {
  if (h->len == h->cap && grow(h) < 0) return LP_EMEMORY;
  t->number = h->started++;
  sift_up(h, h->len++, (lp_deadline){due, t});
  return 0;
}

void lp_timer_stop(lp_timers *h, lp_timer *t) {
  if (!t->place) return;
  uint32_t i = t->place - 1;
  t->place = 0;
  lp_deadline last = h->heap[--h->len];
  if (last.timer == t) return;
  if (i > 0 && before(last, h->heap[(i - 1) / WAYS]))
    sift_up(h, i, last);
  else
    sift_down(h, i, last);
}

void lp_timer_close(lp_timers *h) {
  lp_alloc_free(h->heap);
  *h = (lp_timers){0};
}
