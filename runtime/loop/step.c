/* loop/step.c: the parts of a turn of the loop in the order of a step, within its time. Layer:
 * loop. */
#include "runtime/loop/step.h"

#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/loop/collect.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/mailbox.h"

static bool is_over(const lp_state *st) {
  return atomic_load_explicit(&st->interrupted, memory_order_relaxed) ||
         uv_hrtime() >= st->step_end;
}

/* Tasks have so many nanoseconds of each step at least: they go on when the collector, timers
 * or IO have used it up, too. So have flushes and the poll. */
enum { LEAST = 50000 };

static void run_tasks(lp_state *st, bool first) {
  if (!lp_loop_has_work(st) || st->ceiling.collecting) return;
  uint64_t least = uv_hrtime() + LEAST;
  if (first && least > st->step_end) st->step_end = least;
  lp_interrupt_until(st, st->step_end);
  lp_loop_run_tasks(st);
}

/* Until when timers, flushes and the poll may go on, each in its turn: very many may be due at
 * once, and tasks need time, too. */
static uint64_t half_of_rest(const lp_state *st) {
  uint64_t now = uv_hrtime();
  return now + (st->step_end > now ? st->step_end - now : 0) / 2;
}

static void run_timers(lp_state *st) {
  uint64_t end = half_of_rest(st);
  while (lp_loop_run_timers(st) && uv_hrtime() < end) {
  }
}

static void allow_io(lp_state *st) {
  uint64_t least = uv_hrtime() + LEAST, half = half_of_rest(st);
  st->io_end = least > half ? least : half;
}

static void run_io(lp_state *st) {
  st->io_left = false;
  if (!lp_list_empty(&st->flushes)) allow_io(st);
  lp_loop_run_flushes(st);
  allow_io(st);
  lp_loop_poll(st);
}

static bool has_io(const lp_state *st) {
  return st->io_left || !lp_list_empty(&st->flushes);
}

/* Timers, flushes, IO and tasks by turns: the last turn has no task to resume, and its poll has
 * seen all that tasks wait for. What tasks have asked to be flushed when the time was over is
 * flushed by the next step: it may take as long as they. */
static void run(lp_state *st) {
  uint64_t resumes;
  bool first = true;
  do {
    resumes = st->resumes;
    run_timers(st);
    run_io(st);
    run_tasks(st, first);
    first = false;
  } while ((st->resumes != resumes || has_io(st)) && !is_over(st));
}

int lp_step(lp_state *st, int64_t budget_us) {
  if (st->inside) return LP_EINSIDE;
  uint64_t start = uv_hrtime();
  if (budget_us < 0) budget_us = 0;
  st->inside++;
  st->stepping = true;
  st->step_end = start + (uint64_t)budget_us * 1000;
  st->step_ns = -lp_clock_cpu_ns();
  st->share_ns = st->longest_ns = 0;
  lp_collect_share(st, start, st->step_end);
  lp_ticks *outer = lp_interrupt_enter(st);
  run(st);
  lp_interrupt_until(st, 0);
  lp_interrupt_leave(st, outer);
  st->stepping = false;
  st->inside--;
  st->step_ns += lp_clock_cpu_ns();
  lp_step_interrupted(st);
  if (lp_loop_has_work(st) || st->io_left) return LP_MORE;
  uv_idle_stop(&st->spin);
  return 0;
}

int lp_step_fd(const lp_state *st) {
  return uv_backend_fd(st->loop);
}

int64_t lp_step_timeout_us(lp_state *st) {
  if (lp_loop_has_work(st)) return 0;
  int64_t us = -1;
  const lp_timer *first = lp_timer_first(&st->timers);
  if (first) {
    uint64_t due = lp_timer_due(&st->timers, first), now = lp_loop_clock(st);
    us = due > now ? (int64_t)((due - now + 999) / 1000) : 0;
  }
  /* The timer of libuv that stands for `first` runs on another clock than the host's. */
  if (st->host_clock) uv_timer_stop(&st->clock);
  uv_update_time(st->loop);
  int64_t ms = uv_loop_alive(st->loop) ? uv_backend_timeout(st->loop) : -1;
  if (st->host_clock) lp_loop_rearm(st);
  return ms >= 0 && (us < 0 || ms * 1000 < us) ? ms * 1000 : us;
}

void lp_step_interrupt(lp_state *st) {
  atomic_store(&st->interrupted, true);
  lp_mailbox_wake(st->mailbox);
}

bool lp_step_interrupted(lp_state *st) {
  return atomic_exchange(&st->interrupted, false);
}
