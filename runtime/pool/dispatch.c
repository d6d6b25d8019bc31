/* pool/dispatch.c: the least loaded worker gets the next call, so that one slow item delays
 * nobody; a worker that has run dry gets what the busiest one has not started. Layer: pool.
 * Process: main. */
#include "runtime/pool/dispatch.h"

#include <string.h>

#include "runtime/pool/protocol.h"

/* It has been sent as many calls as a worker may run. */
static bool used_up(const lp_crew *crew, const lp_slot *slot) {
  return crew->options.max_tasks && slot->sent >= crew->options.max_tasks;
}

/* Has it a place for a call? Where workers die at start, one that is not ready has none. */
static bool takes(const lp_crew *crew, const lp_slot *slot) {
  if (!slot || !lp_slot_alive(slot)) return false;
  if (crew->early_deaths && slot->life == LP_SLOT_STARTING) return false;
  return !used_up(crew, slot) && slot->load.count < crew->options.concurrency;
}

static lp_slot *least_loaded(const lp_crew *crew) {
  lp_slot *best = NULL;
  for (uint32_t i = 0; i < crew->options.processes; i++) {
    lp_slot *slot = crew->slots[i];
    if (takes(crew, slot) && (!best || slot->load.count < best->load.count)) best = slot;
  }
  return best;
}

static lp_slot *next_in_turn(lp_crew *crew) {
  uint32_t n = crew->options.processes;
  for (uint32_t i = 0; i < n; i++) {
    lp_slot *slot = crew->slots[(crew->turn + i) % n];
    if (!takes(crew, slot)) continue;
    crew->turn = (crew->turn + i + 1) % n;
    return slot;
  }
  return NULL;
}

static lp_slot *choose(lp_crew *crew, const lp_call *call) {
  if (call->wanted) {
    lp_slot *slot = crew->slots[call->wanted - 1];
    return takes(crew, slot) ? slot : NULL;
  }
  return crew->options.round_robin ? next_in_turn(crew) : least_loaded(crew);
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
static bool retire_used(lp_crew *crew) {
  bool any = false;
  for (uint32_t i = 0; crew->options.max_tasks && i < crew->options.processes; i++) {
    lp_slot *slot = crew->slots[i];
    if (!slot || !used_up(crew, slot)) continue;
    if (slot->load.count && crew->retiring >= crew->options.processes) continue;
    lp_crew_retire(crew, slot);
    any = true;
  }
  return any && !lp_list_empty(&crew->context.calls->pending);
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
static void share(lp_crew *crew) {
  lp_slot *idle = NULL, *busiest = NULL;
  for (uint32_t i = 0; i < crew->options.processes; i++) {
    lp_slot *slot = crew->slots[i];
    if (!slot || !lp_slot_alive(slot)) continue;
    if (slot->load.count == 0 && takes(crew, slot)) idle = slot;
    if (slot->recalled || !has_spare(slot)) continue;
    if (!busiest || slot->load.count > busiest->load.count) busiest = slot;
  }
  if (!idle || !busiest) return;
  uint32_t half = busiest->load.count / 2;
  busiest->recalled = true;
  lp_slot_post(busiest, LP_MSG_RECALL, &half, sizeof half);
}

static void send_pending(lp_crew *crew) {
  lp_list_each (link, &crew->context.calls->pending) {
    lp_call *call = lp_list_of(link, lp_call, link);
    lp_slot *slot = choose(crew, call);
    if (slot)
      give(slot, call);
    else if (!call->wanted)
      break;
  }
}

/* One that has killed a worker runs alone, in a worker of its own: so it neither has to wait
 * for those who run, nor they for it, who may need each other. */
static void send_charged(lp_crew *crew) {
  while (!lp_list_empty(&crew->context.calls->charged) &&
         crew->alone < crew->options.processes) {
    lp_call *call = lp_list_of(crew->context.calls->charged.next, lp_call, link);
    lp_slot *slot = lp_crew_start_alone(crew, call->wanted);
    if (!slot) return;
    if (!give(slot, call)) lp_slot_kill(slot);
  }
}

void lp_dispatch_run(lp_crew *crew) {
  send_charged(crew);
  do send_pending(crew);
  while (retire_used(crew));
  bool ours = !crew->options.round_robin; /* to choose; else each stays where its turn was */
  if (ours && lp_list_empty(&crew->context.calls->pending) &&
      crew->context.calls->counts.running)
    share(crew);
}

void lp_dispatch_returned(lp_crew *crew, lp_slot *slot, const char *numbers, size_t n) {
  for (size_t i = 0; i < n; i++) { /* from the latest, so that the first ends up in front */
    uint64_t number;
    memcpy(&number, numbers + i * sizeof number, sizeof number);
    lp_call *call = lp_calls_find(crew->context.calls, number);
    if (!call || call->load != &slot->load) continue;
    call->attempt--;
    slot->sent--;
    if (call->cancelling)
      lp_calls_finish(call, LP_CALL_CANCELLED);
    else if (crew->closed)
      lp_calls_finish(call, LP_CALL_LOST);
    else
      lp_calls_requeue(call);
  }
}
