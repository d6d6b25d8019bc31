/* pool/stall.c: the last look before a deadlock is reported, and what workers wait for as text.
 * Layer: pool. Process: main. */
#include "runtime/pool/stall.h"

#include "runtime/pool/fleet.h"
#include "runtime/pool/pool.h"
#include "runtime/pool/protocol.h"
#include "runtime/pool/slot.h"

bool lp_stall_sure(lp_state *st) {
  lp_fleet *f = lp_fleet_find(st);
  bool sure = true;
  lp_list_each (link, &f->pools) {
    lp_pool *pool = lp_list_of(link, lp_pool, member.link);
    if (!lp_crew_moves(&pool->crew)) continue;
    sure = false;
    f->doubted = st->resumes;
    lp_crew_probe(&pool->crew);
    lp_pool_hold(pool);
  }
  return sure;
}

static void dump(lp_state *st, bool all) {
  lp_fleet *f = lp_fleet_find(st);
  if (!f) return; /* a worker */
  lp_list_each (link, &f->workers) {
    lp_slot *slot = lp_list_of(link, lp_slot, worker.link);
    if (all || slot->load.count || slot->life == LP_SLOT_STARTING)
      lp_slot_post(slot, LP_MSG_DUMP, NULL, 0);
  }
}

void lp_stall_show(lp_state *st) {
  dump(st, false);
}

void lp_stall_show_all(lp_state *st) {
  dump(st, true);
}
