/* pool/stall.c: workers that wait for main. Layer: pool. Process: main. */
#include "runtime/pool/stall.h"

#include <string.h>

#include "runtime/pool/protocol.h"
#include "runtime/pool/slot.h"

static bool stands(const lp_slot *slot) {
  return slot->stalled == slot->said;
}

void lp_stall_ask(lp_pool *pool) {
  lp_list_each (link, &pool->members) {
    lp_slot *slot = lp_list_of(link, lp_slot, member);
    if (slot->probed || stands(slot)) continue;
    slot->probed = true;
    lp_slot_say(slot, LP_SAY_PROBE, NULL, 0);
  }
}

void lp_stall_heard(lp_slot *slot, const lp_frame *frame) {
  if (frame->len < sizeof slot->stalled) return;
  memcpy(&slot->stalled, frame->payload, sizeof slot->stalled);
  slot->probed = false;
}

bool lp_stall_all(const lp_pool *pool) {
  lp_list_each (link, &pool->members)
    if (!stands(lp_list_of(link, lp_slot, member))) return false;
  return !lp_list_empty(&pool->members);
}

void lp_stall_show(lp_state *st) {
  lp_list_each (link, &lp_fleet_find(st)->slots) {
    lp_slot *slot = lp_list_of(link, lp_slot, all);
    if (slot->load || !slot->ready) lp_slot_say(slot, LP_SAY_DUMP, NULL, 0);
  }
}
