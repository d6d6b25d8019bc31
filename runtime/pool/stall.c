/* pool/stall.c: workers that wait for main. Layer: pool. Process: main. */
#include "runtime/pool/stall.h"

#include <string.h>

#include "runtime/pool/protocol.h"
#include "runtime/pool/slot.h"

static bool ending(const lp_slot *slot) {
  return slot->leaving || slot->killed || slot->frozen || slot->ended || slot->exited;
}

static bool stands(const lp_slot *slot) {
  if (slot->stalled != slot->said || ending(slot)) return false;
  return slot->probed_at == slot->pool->fleet->st->resumes;
}

/* One probe at a time: a worker that computes for an hour is not sent more. */
void lp_stall_ask(lp_pool *pool) {
  lp_list_each (link, &pool->members) {
    lp_slot *slot = lp_list_of(link, lp_slot, member);
    if (slot->probed || ending(slot) || stands(slot)) continue;
    slot->probed = true;
    slot->probed_at = pool->fleet->st->resumes;
    lp_slot_say(slot, LP_SAY_PROBE, NULL, 0);
  }
}

void lp_stall_heard(lp_slot *slot, const lp_frame *frame) {
  if (frame->len < sizeof slot->stalled) return;
  memcpy(&slot->stalled, frame->payload, sizeof slot->stalled);
  slot->probed = false;
}

bool lp_stall_any_moves(const lp_pool *pool) {
  lp_list_each (link, &pool->members)
    if (!stands(lp_list_of(link, lp_slot, member))) return true;
  return false;
}

bool lp_stall_sure(lp_state *st) {
  lp_fleet *f = lp_fleet_find(st);
  bool sure = true;
  lp_list_each (link, &f->pools) {
    lp_pool *pool = lp_list_of(link, lp_pool, link);
    if (!lp_stall_any_moves(pool)) continue;
    sure = false;
    f->doubted = st->resumes;
    lp_stall_ask(pool);
    lp_pool_hold(pool);
  }
  return sure;
}

void lp_stall_show(lp_state *st) {
  lp_list_each (link, &lp_fleet_find(st)->slots) {
    lp_slot *slot = lp_list_of(link, lp_slot, all);
    if (slot->load || !slot->ready) lp_slot_say(slot, LP_SAY_DUMP, NULL, 0);
  }
}
