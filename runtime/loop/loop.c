/* loop/loop.c: what happens in a turn of the loop, in this order: expired deadlines (the uv
 * timer), ready tasks and then preempted ones, for a slice (the prepare handle), flushes,
 * libuv's poll. In a step the prepare handle does nothing: step.c calls the parts itself.
 * Layer: loop. */
#include "runtime/loop/loop.h"

#include <limits.h>

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/loop/bridge.h"
#include "runtime/loop/ceiling.h"
#include "runtime/loop/op.h"
#include "runtime/loop/task.h"

/* So many tasks are resumed between two polls at most: enough that a poll costs little for
 * each, few enough that IO is not late. */
enum { BATCH = 512 };

/* They are resumed for so many milliseconds at most. Few tasks may take long as well, when they
 * block in C functions, where the CPU clock of slices stands still. */
enum { LONGEST = 10 };

/* In a step so many timers are called between two looks at the clock. */
enum { TIMERS = 128 };

/* An active idle handle is what keeps the poll from blocking; it has nothing to do itself. */
static void on_spin(uv_idle_t *handle) {
  (void)handle;
}

void lp_loop_spin(lp_state *st) {
  uv_idle_start(&st->spin, on_spin);
  if (st->bridge) lp_bridge_spin(st->bridge);
}

/* libuv polls only while something is active in its loop. */
void lp_loop_poll(lp_state *st) {
  uv_idle_start(&st->spin, on_spin);
  uv_run(st->loop, UV_RUN_NOWAIT);
}

/* A task has been resumed in a step, at the time `*began`, which moves on. Returns whether the
 * step is over. */
static bool look_at_step(lp_state *st, uint64_t *began) {
  uint64_t now = uv_hrtime();
  if ((int64_t)(now - *began) > st->longest_ns) st->longest_ns = (int64_t)(now - *began);
  *began = now;
  return now >= st->step_end;
}

/* Tasks that are ready again and again do not keep the preempted ones waiting for ever: when
 * they took a whole slice, a preempted task comes first in the next turn. */
bool lp_loop_run_tasks(lp_state *st) {
  lp_depth_fit(st);
  bool owed = st->owed || st->overdue;
  st->overdue = false;
  if (st->stepping && uv_hrtime() >= st->step_end) return true; /* no tick tells it any more */
  lp_list *link = owed ? lp_list_shift(&st->preempted) : NULL;
  bool all_ready = !link;
  int64_t end = lp_clock_ms() + LONGEST;
  uint64_t began = st->stepping ? uv_hrtime() : 0;
  st->owed = false;
  for (int n = 0; n < BATCH && !st->overdue; n++, link = NULL) {
    if (!link) link = lp_list_shift(&st->ready);
    if (!link) {
      st->fresh = false;
      if (st->more && st->more(st)) continue;
      link = lp_list_shift(&st->preempted);
      all_ready = false;
    }
    if (!link) return false;
    lp_task_resume(lp_list_of(link, lp_task, link));
    if (st->ceiling.reached) lp_ceiling_relieve(st);
    if (st->stepping ? look_at_step(st, &began) : lp_clock_ms() > end) st->overdue = true;
  }
  st->owed = st->overdue && all_ready;
  st->overdue = false;
  return true;
}

void lp_loop_run_flushes(lp_state *st) {
  lp_list asked;
  lp_list_init(&asked);
  lp_list_join(&asked, &st->flushes);
  for (lp_list *link; (link = lp_list_shift(&asked));) {
    lp_flush *f = lp_list_of(link, lp_flush, link);
    f->run(f);
  }
}

static void on_prepare(uv_prepare_t *handle) {
  lp_state *st = handle->data;
  if (st->stepping) return;
  lp_collect_automatic(st);
  lp_ticks *outer = lp_interrupt_enter(st);
  st->inside++;
  bool more = lp_loop_run_tasks(st);
  lp_interrupt_leave(st, outer);
  lp_loop_run_flushes(st);
  st->inside--;
  if (more || lp_loop_has_work(st))
    uv_idle_start(&st->spin, on_spin);
  else
    uv_idle_stop(&st->spin);
  if (atomic_load_explicit(&st->interrupted, memory_order_relaxed)) uv_stop(st->loop);
  if (!lp_timer_first(&st->timers))
    uv_timer_stop(&st->clock); /* it would keep the loop alive */
}

bool lp_loop_run_timers(lp_state *st) {
  int most = st->stepping ? TIMERS : INT_MAX;
  if (!lp_timer_first(&st->timers)) return false;
  uint64_t now = lp_loop_clock(st);
  lp_timer *t = lp_timer_first(&st->timers);
  if (lp_timer_due(&st->timers, t) > now) return false;
  for (; lp_timer_due(&st->timers, t) <= now && most > 0; most--) {
    lp_timer_stop(&st->timers, t);
    t->fire(t);
    t = lp_timer_first(&st->timers);
  }
  lp_loop_rearm(st);
  return lp_timer_due(&st->timers, t) <= now;
}

static void on_clock(uv_timer_t *handle) {
  lp_state *st = handle->data;
  st->inside++;
  lp_loop_run_timers(st);
  lp_loop_rearm(st); /* it came early when the clock of the host is slow */
  st->inside--;
}

void lp_loop_rearm(lp_state *st) {
  lp_timer *first = lp_timer_first(&st->timers);
  if (!first) {
    uv_timer_stop(&st->clock);
    return;
  }
  uint64_t due = lp_timer_due(&st->timers, first) + 999999, now; /* milliseconds, rounded up */
  if (st->host_clock)
    now = lp_loop_clock(st) / 1000000;
  else
    now = uv_now(st->loop);
  due /= 1000000;
  uv_timer_start(&st->clock, on_clock, due > now ? due - now : 0, 0);
}

int lp_loop_after(lp_state *st, lp_timer *t, double seconds) {
  lp_timer_stop(&st->timers, t);
  if (!(seconds < 1e9)) return 0; /* thirty years: never */
  uint64_t due = lp_loop_clock(st) + (uint64_t)(seconds > 0 ? seconds * 1e9 : 0);
  int rc = lp_timer_start(&st->timers, t, due);
  if (rc == 0 && lp_timer_first(&st->timers) == t) lp_loop_rearm(st);
  return rc;
}

void lp_loop_flush(lp_state *st, lp_flush *f) {
  if (!lp_list_empty(&f->link)) return;
  lp_list_push(&st->flushes, &f->link);
  lp_loop_spin(st); /* it may be all that is left to do */
}

int lp_loop_open(lp_state *st) {
  lp_list_init(&st->ready);
  lp_list_init(&st->preempted);
  lp_list_init(&st->flushes);
  uv_prepare_init(st->loop, &st->prepare); /* these three never fail */
  uv_idle_init(st->loop, &st->spin);
  uv_timer_init(st->loop, &st->clock);
  st->prepare.data = st->spin.data = st->clock.data = st;
  uv_unref((uv_handle_t *)&st->prepare);
  return uv_prepare_start(&st->prepare, on_prepare);
}

void lp_loop_close(lp_state *st) {
  uv_close((uv_handle_t *)&st->prepare, NULL);
  uv_close((uv_handle_t *)&st->spin, NULL);
  uv_close((uv_handle_t *)&st->clock, NULL);
}
