/* pool/dispatch.c: the least loaded worker gets the next call, so that one slow item delays
 * nobody; a worker that has run dry gets what the busiest one has not started. Layer: pool.
 * Process: main. */
#include "runtime/pool/dispatch.h"

#include <string.h>

#include "runtime/pool/protocol.h"
#include "runtime/pool/slot.h"

/* It has been sent as many calls as a worker may run. */
static bool used_up(const lp_pool *pool, const lp_slot *slot) {
  return pool->options.max_tasks && slot->sent >= pool->options.max_tasks;
}

/* Has it a place for a call? Where workers die at start, one that is not ready has none. */
static bool takes(const lp_pool *pool, const lp_slot *slot) {
  if (!slot || slot->leaving || slot->exited || slot->ended) return false;
  if (pool->early_deaths && !slot->ready) return false;
  return !used_up(pool, slot) && slot->load.count < pool->options.concurrency;
}

static lp_slot *least_loaded(const lp_pool *pool) {
  lp_slot *best = NULL;
  for (uint32_t i = 0; i < pool->options.processes; i++) {
    lp_slot *slot = pool->slots[i];
    if (takes(pool, slot) && (!best || slot->load.count < best->load.count)) best = slot;
  }
  return best;
}

static lp_slot *next_in_turn(lp_pool *pool) {
  uint32_t n = pool->options.processes;
  for (uint32_t i = 0; i < n; i++) {
    lp_slot *slot = pool->slots[(pool->turn + i) % n];
    if (!takes(pool, slot)) continue;
    pool->turn = (pool->turn + i + 1) % n;
    return slot;
  }
  return NULL;
}

static lp_slot *choose(lp_pool *pool, const lp_call *call) {
  if (call->wanted) {
    lp_slot *slot = pool->slots[call->wanted - 1];
    return takes(pool, slot) ? slot : NULL;
  }
  return pool->options.round_robin ? next_in_turn(pool) : least_loaded(pool);
}

/* False: there was no memory for it, it is lost. */
static bool give(lp_slot *slot, lp_call *call) {
  if (lp_slot_send(slot, call) < 0) {
    lp_calls_finish(call, LP_CALL_LOST);
    return false;
  }
  slot->sent++;
  return true;
}

/* Returns true when there are new workers, so that more can be sent. While too many are leaving
 * the used ones wait until they are done with what they have: those that leave may wait for
 * what is in line. */
static bool retire_used(lp_pool *pool) {
  bool any = false;
  for (uint32_t i = 0; pool->options.max_tasks && i < pool->options.processes; i++) {
    lp_slot *slot = pool->slots[i];
    if (!slot || !used_up(pool, slot)) continue;
    if (slot->load.count && pool->retiring >= pool->options.processes) continue;
    lp_pool_retire(pool, slot);
    any = true;
  }
  return any && !lp_list_empty(&pool->calls.pending);
}

/* Has it calls that it has not started, and that may as well run elsewhere? They are its
 * latest.
 */
static bool has_spare(const lp_slot *slot) {
  if (slot->load.count < 2) return false;
  const lp_call *last = lp_list_of(slot->load.calls.prev, lp_call, link);
  return last->turn > slot->shared->started && !last->wanted;
}

/* A worker with nothing to do, and the busiest one that could give it something. */
static void share(lp_pool *pool) {
  lp_slot *idle = NULL, *busiest = NULL;
  for (uint32_t i = 0; i < pool->options.processes; i++) {
    lp_slot *slot = pool->slots[i];
    if (!slot || slot->leaving || slot->exited) continue;
    if (slot->load.count == 0 && takes(pool, slot)) idle = slot;
    if (slot->asked || !has_spare(slot)) continue;
    if (!busiest || slot->load.count > busiest->load.count) busiest = slot;
  }
  if (!idle || !busiest) return;
  uint32_t half = busiest->load.count / 2;
  busiest->asked = true;
  lp_slot_say(busiest, LP_SAY_RECALL, &half, sizeof half);
}

static void send_pending(lp_pool *pool) {
  lp_list_each (link, &pool->calls.pending) {
    lp_call *call = lp_list_of(link, lp_call, link);
    lp_slot *slot = choose(pool, call);
    if (slot)
      give(slot, call);
    else if (!call->wanted)
      break;
  }
}

/* One that has killed a worker runs alone, in a worker of its own: so it neither has to wait
 * for those who run, nor they for it, who may need each other. */
static void send_charged(lp_pool *pool) {
  while (!lp_list_empty(&pool->calls.charged) && pool->alone < pool->options.processes) {
    lp_call *call = lp_list_of(pool->calls.charged.next, lp_call, link);
    lp_slot *slot = pool->backoff.place ? NULL : lp_pool_start_alone(pool, call->wanted);
    if (!slot) return;
    if (!give(slot, call)) lp_slot_kill(slot);
  }
}

void lp_dispatch_run(lp_pool *pool) {
  send_charged(pool);
  do send_pending(pool);
  while (retire_used(pool));
  bool ours = !pool->options.round_robin; /* to choose; else each stays where its turn was */
  if (ours && lp_list_empty(&pool->calls.pending) && pool->calls.counts.running) share(pool);
}

void lp_dispatch_returned(lp_slot *slot, const char *numbers, size_t n) {
  slot->asked = false;
  for (size_t i = 0; i < n; i++) { /* from the latest, so that the first ends up in front */
    uint64_t number;
    memcpy(&number, numbers + i * sizeof number, sizeof number);
    lp_call *call = lp_calls_find(&slot->pool->calls, number);
    if (!call || call->load != &slot->load) continue;
    call->attempt--;
    slot->sent--;
    if (call->cancelling)
      lp_calls_finish(call, LP_CALL_CANCELLED);
    else if (slot->pool->broken)
      lp_calls_finish(call, LP_CALL_LOST);
    else
      lp_calls_requeue(call);
  }
}
