/* pool/pool.c: the life of a pool, what its slots report, and what becomes of the calls of a
 * worker that dies. Where a call goes stands in dispatch.c. Layer: pool. Process: main. */
#include "runtime/pool/pool.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/loop.h"
#include "runtime/pool/dispatch.h"
#include "runtime/pool/object.h"
#include "runtime/pool/protocol.h"
#include "runtime/pool/remote.h"
#include "runtime/pool/slot.h"

static const double WATCH_EVERY = 0.25; /* seconds */

/* ---- whether the loop must go on ---- */

enum { IDLE = 1000 }; /* milliseconds without a task in main: then workers are probed */

static void on_hold(uv_timer_t *timer) {
  lp_pool *pool = timer->data;
  uint64_t resumes = pool->fleet->st->resumes;
  if (pool->resumes == resumes) {
    lp_fleet_wake(pool->fleet);
    lp_crew_probe(&pool->crew);
  }
  pool->resumes = resumes;
  lp_pool_hold(pool);
}

/* A closed pool goes on to its end, but for one that only waits for a map to be iterated. */
static bool is_busy(const lp_pool *pool) {
  if (pool->life == LP_POOL_TERMINATED || lp_calls_any(&pool->calls)) return true;
  return pool->life == LP_POOL_CLOSED && !pool->users;
}

void lp_pool_hold(lp_pool *pool) {
  if (pool->life == LP_POOL_ENDED) return;
  bool doubted = pool->fleet->doubted == pool->fleet->st->resumes, busy = is_busy(pool);
  bool on = (busy && lp_list_empty(&pool->crew.members)) ||
            ((busy || doubted) && lp_crew_moves(&pool->crew));
  if (on && !uv_is_active((uv_handle_t *)&pool->hold))
    uv_timer_start(&pool->hold, on_hold, IDLE, IDLE);
  if (!on) uv_timer_stop(&pool->hold);
  if (on && pool->crew.options.task_timeout > 0 && !pool->watchdog.place)
    lp_loop_after(pool->fleet->st, &pool->watchdog, WATCH_EVERY);
}

/* ---- memory ---- */

static void on_closed(uv_handle_t *handle) {
  lp_pool_release(handle->data);
}

static void close_handles(lp_pool *pool) {
  lp_timers *timers = &pool->fleet->st->timers;
  lp_timer_stop(timers, &pool->grace);
  lp_timer_stop(timers, &pool->watchdog);
  uv_close((uv_handle_t *)&pool->hold, on_closed);
}

void lp_pool_release(lp_pool *pool) {
  if (--pool->holders > 0) return;
  lp_list_remove(&pool->member.link);
  lp_object_unpin_all(pool->fleet->st, (const uint32_t *)pool->objects.data,
                      (uint32_t)(pool->objects.len / sizeof(uint32_t)));
  lp_environment_release(pool->fleet->st, pool->crew.context.environment);
  lp_buf_close(&pool->objects);
  lp_crew_close(&pool->crew);
  lp_calls_close(&pool->calls);
  lp_buf_close(&pool->init_error);
  lp_alloc_free(pool);
}

/* ---- leaving ---- */

static void tell(lp_list *watches) {
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
  static const char WRONG[] = "internal error: the counts of a pool's tasks do not match";
  if (!right) lp_text(st, LP_TEXT_ERROR, WRONG, sizeof WRONG - 1);
}

static void end_if_empty(lp_pool *pool) {
  bool closed = pool->life == LP_POOL_CLOSED || pool->life == LP_POOL_TERMINATED;
  if (!closed || !lp_list_empty(&pool->crew.members)) return;
  pool->life = LP_POOL_ENDED;
  lp_crew_stop(&pool->crew);
  check_balance(pool);
  close_handles(pool);
  tell(&pool->ends);
}

static void on_grace(lp_timer *t) {
  lp_crew_kill(&lp_list_of(t, lp_pool, grace)->crew);
}

/* Workers leave when there is nothing left that they could do. */
static void check_leaving(lp_pool *pool) {
  bool work = lp_calls_any(&pool->calls) || pool->users;
  if (pool->life == LP_POOL_TERMINATED || (pool->life == LP_POOL_CLOSED && !work)) {
    lp_crew_leave(&pool->crew);
    end_if_empty(pool);
  }
  lp_pool_hold(pool);
}

/* No worker can be had: what is in line is lost. */
static void give_up(lp_pool *pool, const char *values, size_t len) {
  if (pool->broken) return;
  pool->broken = true;
  lp_crew_stop(&pool->crew);
  if (len && lp_buf_append(&pool->init_error, values, len) < 0)
    pool->crew.start_error = LP_EMEMORY;
  lp_calls_finish_pending(&pool->calls, LP_CALL_LOST);
  check_leaving(pool); /* no further death may come that would */
}

static void on_gave_up(lp_crew *crew) {
  give_up(lp_list_of(crew, lp_pool, crew), NULL, 0);
}

static void on_restarted(lp_crew *crew) {
  lp_dispatch_run(crew);
}

/* ---- what slots report ---- */

static lp_pool *pool_of(const lp_slot *slot) {
  return slot->context->owner;
}

static void on_started(lp_slot *slot) {
  tell(&pool_of(slot)->starts);
}

static void on_ready(lp_slot *slot) {
  pool_of(slot)->crew.early_deaths = 0;
}

static void on_broken(lp_slot *slot, const char *values, size_t len) {
  give_up(pool_of(slot), values, len);
}

static void on_returned(lp_slot *slot, const char *numbers, size_t n) {
  lp_dispatch_returned(&pool_of(slot)->crew, slot, numbers, n);
}

static void on_retire(lp_slot *slot) {
  lp_crew_retire(&pool_of(slot)->crew, slot);
}

static void on_batch(lp_slot *slot) {
  lp_pool *pool = pool_of(slot);
  lp_remote_serve(slot);
  lp_dispatch_run(&pool->crew);
  check_leaving(pool);
}

/* Whatever was known of the worker, it has something to do now. */
static void on_flushed(lp_slot *slot) {
  lp_pool_hold(pool_of(slot));
}

/* One that was to leave when its calls have ended may go. */
static void on_emptied(lp_slot *slot) {
  if (slot->role != LP_SLOT_WORKING) lp_slot_leave(slot);
}

static void on_slot_opened(void *owner) {
  ((lp_pool *)owner)->holders++;
}

static void on_slot_closed(void *owner) {
  lp_pool_release(owner);
}

/* Its worker is dead: the call goes first in line again, or is to run alone, unless it has had
 * its chances. */
static void rerun(lp_pool *pool, lp_slot *slot, lp_call *call, bool guilty) {
  bool started = call->turn <= slot->shared->started;
  bool stuck = guilty && slot->blame == LP_DEATH_STUCK;
  bool may = lp_calls_charge(call, guilty, started, pool->crew.options.crash_retries);
  if (guilty) call->wanted = slot->id;
  if (pool->life == LP_POOL_TERMINATED || call->cancelling)
    lp_calls_finish(call, LP_CALL_CANCELLED);
  else if (pool->broken)
    lp_calls_finish(call, LP_CALL_LOST);
  else if (may && !pool->crew.single && !stuck)
    lp_calls_requeue(call);
  else {
    call->death = lp_death_copy(&slot->death);
    lp_calls_finish(call, stuck ? LP_CALL_STUCK : LP_CALL_DIED);
  }
}

/* The slot keeps none of it. */
static void note_death(lp_crew *crew, lp_slot *slot) {
  lp_death_close(&crew->last);
  crew->last = slot->death;
  slot->death.report = NULL;
}

/* A task is not charged for having been on the CPU of a worker that was stopped, nor when all
 * workers have died with the forkserver. */
static void on_gone(lp_slot *slot, lp_slot_life life) {
  lp_pool *pool = pool_of(slot);
  lp_crew *crew = &pool->crew;
  bool innocent = slot->frozen || slot->death.cause == LP_DEATH_ORPHAN;
  uint64_t guilty = innocent ? 0 : slot->shared->on_cpu;
  lp_remote_lose(slot);
  bool active = lp_crew_remove(crew, slot);
  lp_list *calls = &slot->load.calls;
  while (!lp_list_empty(calls)) { /* from the last, so that the first ends up in front */
    lp_call *call = lp_list_of(calls->prev, lp_call, link);
    rerun(pool, slot, call, call->number == guilty);
  }
  note_death(crew, slot);
  tell(&pool->starts);
  check_leaving(pool);
  bool work = pool->life == LP_POOL_OPEN || pool->users || pool->calls.counts.pending;
  if (pool->life != LP_POOL_ENDED) lp_crew_replace(crew, slot, life, active, work);
  lp_dispatch_run(crew);
}

static const lp_slot_events slot_events = {
    .started = on_started,
    .ready = on_ready,
    .broken = on_broken,
    .returned = on_returned,
    .retire = on_retire,
    .asked = lp_remote_receive,
    .batch = on_batch,
    .flushed = on_flushed,
    .emptied = on_emptied,
    .gone = on_gone,
    .opened = on_slot_opened,
    .closed = on_slot_closed,
};

static void on_watchdog(lp_timer *t) {
  lp_pool *pool = lp_list_of(t, lp_pool, watchdog);
  double most = pool->crew.options.task_timeout + lp_grace_seconds(LP_GRACE_STUCK);
  lp_crew_kill_stuck(&pool->crew, most);
  lp_pool_hold(pool);
}

/* ---- calls ---- */

int lp_pool_submit(lp_pool *pool, lp_call *call) {
  call->st = pool->fleet->st;
  call->pool = pool;
  if (pool->life >= LP_POOL_TERMINATED) return LP_ECLOSED;
  int rc = lp_calls_add(&pool->calls, call);
  if (rc < 0) return rc;
  call->wanted = pool->wanted;
  pool->wanted = 0;
  if (pool->broken)
    lp_calls_finish(call, LP_CALL_LOST);
  else
    lp_dispatch_run(&pool->crew);
  lp_pool_hold(pool);
  return 0;
}

static void on_snapshot_dropped(lp_snapshot *s) {
  lp_pool *pool = s->owner;
  lp_list_each (link, &pool->crew.members)
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
    lp_slot_post(lp_list_of(call->load, lp_slot, load), LP_MSG_CANCEL, &call->number,
                 sizeof call->number);
  else
    lp_calls_finish(call, LP_CALL_CANCELLED);
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
  if (pool->life == LP_POOL_OPEN) pool->life = LP_POOL_CLOSED;
  check_leaving(pool);
}

void lp_pool_terminate(lp_pool *pool) {
  if (pool->life >= LP_POOL_TERMINATED) return;
  pool->life = LP_POOL_TERMINATED;
  lp_crew_stop(&pool->crew);
  lp_calls_finish_pending(&pool->calls, LP_CALL_CANCELLED);
  lp_list_each (link, &pool->crew.members) {
    lp_slot *slot = lp_list_of(link, lp_slot, member);
    lp_list_each (it, &slot->load.calls) lp_pool_cancel(lp_list_of(it, lp_call, link));
  }
  check_leaving(pool);
  if (pool->life == LP_POOL_ENDED) return;
  double seconds = lp_grace_seconds(LP_GRACE_WORKER);
  if (lp_loop_after(pool->fleet->st, &pool->grace, seconds) < 0) lp_crew_kill(&pool->crew);
}

void lp_pool_kill(lp_pool *pool) {
  lp_pool_terminate(pool);
  lp_crew_kill(&pool->crew);
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
  pool->holders++;
  pool->grace.fire = on_grace;
  pool->watchdog.fire = on_watchdog;
}

lp_pool *lp_pool_open(lp_fleet *f, const lp_crew_options *options, const lp_buf *setup,
                      int *error) {
  lp_pool *pool = lp_alloc_new(sizeof *pool);
  *error = LP_EMEMORY;
  if (!pool) return NULL;
  lp_list_init(&pool->member.link);
  lp_calls_open(&pool->calls);
  lp_list_init(&pool->ends);
  lp_list_init(&pool->starts);
  pool->fleet = f;
  pool->holders = 1;
  pool->crew.context.fleet = f;
  pool->crew.context.environment = f->st->environment;
  lp_environment_hold(f->st, f->st->environment);
  pool->crew.context.calls = &pool->calls;
  pool->crew.context.events = &slot_events;
  pool->crew.context.owner = pool;
  pool->crew.restarted = on_restarted;
  pool->crew.gave_up = on_gave_up;
  if (lp_crew_open(&pool->crew, options, setup) < 0) goto fail;
  open_handles(pool);
  pool->member.stop = on_fleet_stop;
  pool->member.kill = on_fleet_kill;
  lp_list_push(&f->pools, &pool->member.link);
  lp_crew_fill(&pool->crew);
  return pool;
fail:
  lp_pool_release(pool);
  return NULL;
}
