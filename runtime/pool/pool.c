/* pool/pool.c: the life of a pool, of its workers and of its calls. Where a call goes stands in
 * dispatch.c. Layer: pool. Process: main. */
#include "runtime/pool/pool.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/loop/loop.h"
#include "runtime/pool/dispatch.h"
#include "runtime/pool/protocol.h"
#include "runtime/pool/object.h"
#include "runtime/pool/slot.h"

enum { MOST_EARLY_DEATHS = 5 };

/* Seconds. */
static const double FIRST_BACKOFF = 0.05; /* doubled with each early death */
static const double WATCH_EVERY = 0.25;

/* ---- whether the loop must go on ---- */

bool lp_pool_moves(const lp_pool *pool) {
  lp_list_each (link, &pool->members)
    if (lp_slot_moves(lp_list_of(link, lp_slot, member))) return true;
  return false;
}

void lp_pool_probe(lp_pool *pool) {
  lp_list_each (link, &pool->members) lp_slot_probe(lp_list_of(link, lp_slot, member));
}

enum { IDLE = 1000 }; /* milliseconds without a task in main: then workers are probed */

static void on_hold(uv_timer_t *timer) {
  lp_pool *pool = timer->data;
  uint64_t resumes = pool->fleet->st->resumes;
  if (pool->resumes == resumes) {
    lp_fleet_wake(pool->fleet);
    lp_pool_probe(pool);
  }
  pool->resumes = resumes;
  lp_pool_hold(pool);
}

/* A closed pool goes on to its end, but for one that only waits for a map to be iterated. */
static bool busy(const lp_pool *pool) {
  bool work = lp_calls_any(&pool->calls);
  return !pool->ended && (work || (pool->closed && (pool->killed || !pool->users)));
}

void lp_pool_hold(lp_pool *pool) {
  if (!pool->opened) return;
  bool doubted = pool->fleet->doubted == pool->fleet->st->resumes;
  bool on = (busy(pool) && lp_list_empty(&pool->members)) ||
            ((busy(pool) || doubted) && lp_pool_moves(pool));
  if (on && !uv_is_active((uv_handle_t *)&pool->hold))
    uv_timer_start(&pool->hold, on_hold, IDLE, IDLE);
  if (!on) uv_timer_stop(&pool->hold);
  if (on && pool->options.task_timeout > 0 && !pool->watchdog.place)
    lp_loop_after(pool->fleet->st, &pool->watchdog, WATCH_EVERY);
}

/* ---- memory ---- */

static void on_closed(uv_handle_t *handle) {
  lp_pool_release(handle->data);
}

static void close_handles(lp_pool *pool) {
  lp_timers *timers = &pool->fleet->st->timers;
  lp_timer_stop(timers, &pool->backoff);
  lp_timer_stop(timers, &pool->grace);
  lp_timer_stop(timers, &pool->watchdog);
  if (!pool->opened) return;
  pool->opened = false;
  uv_close((uv_handle_t *)&pool->hold, on_closed);
}

void lp_pool_release(lp_pool *pool) {
  if (--pool->holders > 0) return;
  lp_list_remove(&pool->member.link);
  lp_buf_close(&pool->setup);
  lp_object_unpin_all(pool->fleet->st, (const uint32_t *)pool->objects.data,
                      (uint32_t)(pool->objects.len / sizeof(uint32_t)));
  lp_buf_close(&pool->objects);
  lp_alloc_free(pool->slots);
  lp_calls_close(&pool->calls);
  lp_buf_close(&pool->init_error);
  lp_death_close(&pool->last);
  lp_alloc_free(pool);
}

/* ---- leaving ---- */

void lp_pool_tell(lp_list *watches) {
  lp_list asked;
  lp_list_init(&asked);
  lp_list_join(&asked, watches);
  for (lp_list *link; (link = lp_list_shift(&asked));) {
    lp_pool_watch *w = lp_list_of(link, lp_pool_watch, link);
    w->happened(w);
  }
}

static void check_balance(lp_pool *pool) {
  lp_state *st = pool->fleet->st;
  bool right = !lp_calls_any(&pool->calls) && lp_calls_balanced(&pool->calls);
  if (right || !st->report) return;
  st->report(st, "internal error: the counts of a pool's tasks do not match");
}

static void end_if_empty(lp_pool *pool) {
  if (!lp_list_empty(&pool->members) || !pool->closed || pool->ended) return;
  pool->ended = true;
  check_balance(pool);
  lp_pool_hold(pool);
  close_handles(pool);
  lp_pool_tell(&pool->ends);
}

static void tell_exit(lp_slot *slot) {
  if (slot->leaving) return;
  slot->leaving = true;
  lp_slot_say(slot, LP_SAY_EXIT, NULL, 0);
}

static void kill_all(lp_pool *pool) {
  lp_list_each (link, &pool->members) lp_slot_kill(lp_list_of(link, lp_slot, member));
}

static void on_grace(lp_timer *t) {
  kill_all(lp_list_of(t, lp_pool, grace));
}

/* Workers leave when there is nothing left that they could do. */
static void check_leaving(lp_pool *pool) {
  bool work = lp_calls_any(&pool->calls) || pool->users;
  if (pool->closed && (pool->killed || !work)) {
    lp_list_each (link, &pool->members) tell_exit(lp_list_of(link, lp_slot, member));
    end_if_empty(pool);
  }
  lp_pool_hold(pool);
}

void lp_pool_break(lp_pool *pool, const char *values, size_t len) {
  if (pool->broken) return;
  pool->broken = true;
  if (len && lp_buf_append(&pool->init_error, values, len) < 0) pool->start_error = LP_EMEMORY;
  lp_calls_finish_pending(&pool->calls, LP_CALL_LOST);
  check_leaving(pool); /* no further death may come that would */
}

/* ---- workers ---- */

static void start_missing(lp_pool *pool);

static void on_backoff(lp_timer *t) {
  start_missing(lp_list_of(t, lp_pool, backoff));
}

static bool any_ready(const lp_pool *pool) {
  for (uint32_t i = 0; i < pool->options.processes; i++)
    if (pool->slots[i] && pool->slots[i]->ready) return true;
  return false;
}

/* Workers that die together, while a new start is waited for already, count once. A pool gives
 * up only when it has no worker that is well. */
static void retry_later(lp_pool *pool, int error) {
  if (pool->killed || pool->backoff.place) return;
  pool->start_error = error;
  if (pool->early_deaths < MOST_EARLY_DEATHS) pool->early_deaths++;
  if (pool->early_deaths == MOST_EARLY_DEATHS && !any_ready(pool)) {
    lp_pool_break(pool, NULL, 0);
    return;
  }
  double delay = FIRST_BACKOFF * (double)(1 << pool->early_deaths);
  if (lp_loop_after(pool->fleet->st, &pool->backoff, delay) == 0) return;
  pool->start_error = LP_EMEMORY;
  lp_pool_break(pool, NULL, 0);
}

static bool start_slot(lp_pool *pool, uint32_t index) {
  int error;
  pool->slots[index] = lp_slot_start(pool, index + 1, &error);
  if (pool->slots[index]) return true;
  retry_later(pool, error);
  return false;
}

lp_slot *lp_pool_start_alone(lp_pool *pool, uint32_t id) {
  int error;
  lp_slot *slot = lp_slot_start(pool, id, &error);
  if (slot) {
    slot->alone = slot->retiring = true;
    pool->alone++;
    lp_list_remove(&slot->member); /* of an id the one that gets work is listed last */
    lp_list_unshift(&pool->members, &slot->member);
  } else {
    retry_later(pool, error);
  }
  return slot;
}

/* At no time are there more than two workers for each id, beside those that are there for one
 * call: one that is leaving, one that works. */
static void start_missing(lp_pool *pool) {
  uint32_t n = pool->options.processes;
  uint32_t over = pool->retiring > n ? pool->retiring - n : 0;
  bool wanted = !pool->broken && !pool->killed;
  for (uint32_t i = 0; wanted && i < n; i++) {
    if (pool->slots[i]) continue;
    if (over > 0)
      over--;
    else
      wanted = start_slot(pool, i);
  }
  lp_dispatch_run(pool);
}

void lp_pool_retire(lp_pool *pool, lp_slot *slot) {
  if (slot->retiring || slot->leaving || pool->single) return;
  slot->retiring = true;
  pool->retiring++;
  pool->slots[slot->id - 1] = NULL;
  bool room = pool->retiring <= pool->options.processes;
  if (room && !pool->killed && !pool->broken) start_slot(pool, slot->id - 1);
  if (slot->load.count == 0) tell_exit(slot);
}

/* One that was leaving has left: there is room for the replacement of another. */
static void replace_late(lp_pool *pool) {
  bool work = !pool->closed || pool->users || pool->calls.counts.pending;
  if (work && !pool->backoff.place && !pool->single)
    start_missing(pool);
  else
    lp_dispatch_run(pool);
}

/* Its worker is dead: the call goes first in line again, or is to run alone, unless it has had
 * its chances. */
static void rerun(lp_pool *pool, lp_slot *slot, lp_call *call, bool guilty) {
  bool started = call->turn <= slot->shared->started;
  bool may = lp_calls_charge(call, guilty, started, pool->options.crash_retries);
  if (guilty) call->wanted = slot->id;
  if (pool->killed || call->cancelling)
    lp_calls_finish(call, LP_CALL_CANCELLED);
  else if (pool->broken)
    lp_calls_finish(call, LP_CALL_LOST);
  else if (may && !pool->single && !(guilty && slot->stuck))
    lp_calls_requeue(call);
  else {
    call->death = lp_death_copy(&slot->death);
    lp_calls_finish(call, guilty && slot->stuck ? LP_CALL_STUCK : LP_CALL_DIED);
  }
}

/* The slot keeps none of it. */
static void note_death(lp_pool *pool, lp_slot *slot) {
  lp_death_close(&pool->last);
  pool->last = slot->death;
  slot->death.report = NULL;
}

/* A task is not charged for having been on the CPU of a worker that was stopped. */
void lp_pool_lose(lp_pool *pool, lp_slot *slot) {
  uint64_t guilty = slot->frozen ? 0 : slot->shared->on_cpu;
  lp_list_remove(&slot->member);
  if (slot->alone)
    pool->alone--;
  else if (slot->retiring)
    pool->retiring--;
  bool active = pool->slots[slot->id - 1] == slot;
  if (active) pool->slots[slot->id - 1] = NULL;
  lp_list *calls = &slot->load.calls;
  while (!lp_list_empty(calls)) { /* from the last, so that the first ends up in front */
    lp_call *call = lp_list_of(calls->prev, lp_call, link);
    rerun(pool, slot, call, call->number == guilty);
  }
  note_death(pool, slot);
  lp_pool_tell(&pool->starts);
  check_leaving(pool);
  bool expected = slot->leaving || pool->ended || pool->single;
  if (!expected && (active || slot->alone)) pool->restarts++;
  if (expected || !active)
    replace_late(pool);
  else if (slot->ready)
    start_missing(pool);
  else
    retry_later(pool, pool->last.error);
}

/* Where no hook can fire, as in a C function, task_timeout does not reach a task: its worker is
 * killed. */
static void on_watchdog(lp_timer *t) {
  lp_pool *pool = lp_list_of(t, lp_pool, watchdog);
  double now = lp_loop_now(),
         most = pool->options.task_timeout + lp_grace_seconds(LP_GRACE_STUCK);
  lp_list_each (link, &pool->members) {
    lp_slot *slot = lp_list_of(link, lp_slot, member);
    uint64_t number = slot->shared->on_cpu;
    if (!number || number != slot->seen) slot->since = now;
    slot->seen = number;
    if (number && now - slot->since > most && !slot->stuck) {
      slot->stuck = true;
      lp_slot_kill(slot);
    }
  }
  lp_pool_hold(pool);
}

/* ---- calls ---- */

int lp_pool_submit(lp_pool *pool, lp_call *call) {
  call->st = pool->fleet->st;
  call->pool = pool;
  if (pool->killed || pool->ended) return LP_ECLOSED;
  int rc = lp_calls_add(&pool->calls, call);
  if (rc < 0) return rc;
  call->wanted = pool->wanted;
  pool->wanted = 0;
  if (pool->broken)
    lp_calls_finish(call, LP_CALL_LOST);
  else
    lp_dispatch_run(pool);
  lp_pool_hold(pool);
  return 0;
}

/* One that was retired may leave. */
void lp_pool_emptied(lp_pool *pool, lp_slot *slot) {
  (void)pool;
  if (slot->retiring && !slot->gone) tell_exit(slot);
}

static void on_snapshot_dropped(lp_snapshot *s) {
  lp_pool *pool = s->owner;
  lp_list_each (link, &pool->members)
    lp_slot_forget(lp_list_of(link, lp_slot, member), s->number);
  lp_pool_release(pool);
}

lp_snapshot *lp_pool_snapshot(lp_pool *pool, const uint32_t *protos, uint32_t nprotos,
                              const char *bytes, size_t len) {
  lp_snapshot *s = lp_snapshot_new(pool->fleet->st, protos, nprotos, bytes, len);
  if (!s) return NULL;
  s->number = ++pool->snapshots;
  s->dropped = on_snapshot_dropped;
  s->owner = pool;
  pool->holders++;
  return s;
}

void lp_pool_cancel(lp_call *call) {
  if (lp_call_ended(call) || call->cancelling) return;
  call->cancelling = true;
  if (call->load)
    lp_slot_say(lp_list_of(call->load, lp_slot, load), LP_SAY_CANCEL, &call->number,
                sizeof call->number);
  else
    lp_calls_finish(call, LP_CALL_CANCELLED);
}

void lp_pool_pump(lp_pool *pool) {
  lp_dispatch_run(pool);
  check_leaving(pool);
}

/* ---- the life of a pool ---- */

void lp_pool_enter(lp_pool *pool) {
  pool->users++;
}

void lp_pool_leave(lp_pool *pool) {
  pool->users--;
  check_leaving(pool);
}

void lp_pool_close(lp_pool *pool) {
  pool->closed = true;
  check_leaving(pool);
}

void lp_pool_terminate(lp_pool *pool) {
  if (pool->killed || pool->ended) return;
  pool->closed = pool->killed = true;
  lp_calls_finish_pending(&pool->calls, LP_CALL_CANCELLED);
  lp_list_each (link, &pool->members) {
    lp_slot *slot = lp_list_of(link, lp_slot, member);
    lp_list_each (it, &slot->load.calls) lp_pool_cancel(lp_list_of(it, lp_call, link));
  }
  lp_timer_stop(&pool->fleet->st->timers, &pool->backoff);
  check_leaving(pool);
  if (!pool->ended &&
      lp_loop_after(pool->fleet->st, &pool->grace, lp_grace_seconds(LP_GRACE_WORKER)) < 0)
    kill_all(pool);
}

void lp_pool_kill(lp_pool *pool) {
  lp_pool_terminate(pool);
  kill_all(pool);
}

static void on_fleet_stop(lp_fleet_pool *p) {
  lp_pool_terminate(lp_list_of(p, lp_pool, member));
}
static void on_fleet_kill(lp_fleet_pool *p) {
  lp_pool_kill(lp_list_of(p, lp_pool, member));
}

static void open_handles(lp_pool *pool) {
  uv_timer_init(pool->fleet->st->loop, &pool->hold);
  pool->hold.data = pool;
  pool->opened = true;
  pool->holders++;
  pool->backoff.fire = on_backoff;
  pool->grace.fire = on_grace;
  pool->watchdog.fire = on_watchdog;
}

lp_pool *lp_pool_open(lp_fleet *f, const lp_pool_options *options, const lp_buf *setup,
                      int *error) {
  lp_pool *pool = lp_alloc_new(sizeof *pool);
  *error = LP_EMEMORY;
  if (!pool) return NULL;
  lp_list_init(&pool->member.link);
  lp_list_init(&pool->members);
  lp_calls_open(&pool->calls);
  lp_list_init(&pool->ends);
  lp_list_init(&pool->starts);
  pool->fleet = f;
  pool->holders = 1;
  pool->options = *options;
  pool->slots = lp_alloc_new(options->processes * sizeof(lp_slot *));
  if (!pool->slots || lp_buf_append(&pool->setup, setup->data, setup->len) < 0) goto fail;
  open_handles(pool);
  pool->member.stop = on_fleet_stop;
  pool->member.kill = on_fleet_kill;
  lp_list_push(&f->pools, &pool->member.link);
  start_missing(pool);
  return pool;
fail:
  lp_pool_release(pool);
  return NULL;
}
