/* loop/timer.c: a binary heap of deadlines; each timer knows its place. Layer: loop. */
#include "runtime/loop/timer.h"

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

static void put(lp_timers *h, size_t i, lp_timer *t) {
  h->heap[i] = t;
  t->place = i + 1;
}

static void sift_up(lp_timers *h, size_t i, lp_timer *t) {
  while (i > 0 && h->heap[(i - 1) / 2]->due > t->due) {
    put(h, i, h->heap[(i - 1) / 2]);
    i = (i - 1) / 2;
  }
  put(h, i, t);
}

static void sift_down(lp_timers *h, size_t i, lp_timer *t) {
  for (;;) {
    size_t child = 2 * i + 1;
    if (child >= h->len) break;
    if (child + 1 < h->len && h->heap[child + 1]->due < h->heap[child]->due) child++;
    if (h->heap[child]->due >= t->due) break;
    put(h, i, h->heap[child]);
    i = child;
  }
  put(h, i, t);
}

static int grow(lp_timers *h) {
  size_t cap = h->cap ? h->cap * 2 : 16;
  lp_timer **heap = lp_alloc_resize(h->heap, cap * sizeof *heap);
  if (!heap) return LP_EMEMORY;
  h->heap = heap;
  h->cap = cap;
  return 0;
}

int lp_timer_start(lp_timers *h, lp_timer *t, uint64_t due) {
  if (h->len == h->cap && grow(h) < 0) return LP_EMEMORY;
  t->due = due;
  sift_up(h, h->len++, t);
  return 0;
}

void lp_timer_stop(lp_timers *h, lp_timer *t) {
  if (!t->place) return;
  size_t i = t->place - 1;
  t->place = 0;
  lp_timer *last = h->heap[--h->len];
  if (last == t) return;
  if (i > 0 && h->heap[(i - 1) / 2]->due > last->due)
    sift_up(h, i, last);
  else
    sift_down(h, i, last);
}

void lp_timer_close(lp_timers *h) {
  lp_alloc_free(h->heap);
  *h = (lp_timers){0};
}
