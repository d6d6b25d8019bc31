/* pool/crew.c: when workers are started, replaced and given up. Layer: pool. Process: main. */
#include "runtime/pool/crew.h"

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/loop.h"

enum { MOST_EARLY_DEATHS = 5 };

static const double FIRST_BACKOFF = 0.05; /* seconds; doubled with each early death */

static void on_backoff(lp_timer *t) {
  lp_crew *crew = lp_list_of(t, lp_crew, backoff);
  lp_crew_fill(crew);
  crew->restarted(crew);
}

int lp_crew_open(lp_crew *crew, const lp_crew_options *options, const lp_buf *setup) {
  lp_list_init(&crew->members);
  crew->options = *options;
  crew->backoff.fire = on_backoff;
  crew->slots = lp_alloc_new(options->processes * sizeof(lp_slot *));
  if (!crew->slots) return LP_EMEMORY;
  return lp_buf_append(&crew->context.setup, setup->data, setup->len);
}

void lp_crew_stop(lp_crew *crew) {
  crew->closed = true;
  lp_timer_stop(&crew->context.fleet->st->timers, &crew->backoff);
}

void lp_crew_close(lp_crew *crew) {
  lp_buf_close(&crew->context.setup);
  lp_alloc_free(crew->slots);
  lp_death_close(&crew->last);
}

/* ---- starting ---- */

static bool any_ready(const lp_crew *crew) {
  for (uint32_t i = 0; i < crew->options.processes; i++)
    if (crew->slots[i] && crew->slots[i]->life == LP_SLOT_READY) return true;
  return false;
}

/* Workers that die together, while a new start is waited for already, count once. A pool gives
 * up only when it has no worker that is well. */
static void retry_later(lp_crew *crew, int error) {
  if (crew->closed || crew->backoff.place) return;
  crew->start_error = error;
  if (crew->early_deaths < MOST_EARLY_DEATHS) crew->early_deaths++;
  if (crew->early_deaths == MOST_EARLY_DEATHS && !any_ready(crew)) {
    crew->gave_up(crew);
    return;
  }
  double delay = FIRST_BACKOFF * (double)(1 << crew->early_deaths);
  if (lp_loop_after(crew->context.fleet->st, &crew->backoff, delay) == 0) return;
  crew->start_error = LP_EMEMORY;
  crew->gave_up(crew);
}

static lp_slot *start(lp_crew *crew, uint32_t id) {
  int error;
  lp_slot *slot = lp_slot_start(&crew->context, id, &error);
  if (slot)
    lp_list_push(&crew->members, &slot->member);
  else
    retry_later(crew, error);
  return slot;
}

lp_slot *lp_crew_start_alone(lp_crew *crew, uint32_t id) {
  lp_slot *slot = crew->backoff.place ? NULL : start(crew, id);
  if (!slot) return NULL;
  slot->role = LP_SLOT_ALONE;
  crew->alone++;
  lp_list_remove(&slot->member); /* of an id the one that gets work is listed last */
  lp_list_unshift(&crew->members, &slot->member);
  return slot;
}

/* While too many are leaving, so many places stay empty. */
void lp_crew_fill(lp_crew *crew) {
  uint32_t n = crew->options.processes;
  uint32_t over = crew->retiring > n ? crew->retiring - n : 0;
  bool wanted = !crew->closed;
  for (uint32_t i = 0; wanted && i < n; i++) {
    if (crew->slots[i]) continue;
    if (over > 0)
      over--;
    else
      wanted = (crew->slots[i] = start(crew, i + 1)) != NULL;
  }
}

/* ---- leaving ---- */

void lp_crew_retire(lp_crew *crew, lp_slot *slot) {
  uint32_t index = slot->id - 1;
  if (slot->role != LP_SLOT_WORKING || slot->life >= LP_SLOT_LEAVING || crew->single) return;
  slot->role = LP_SLOT_RETIRING;
  crew->retiring++;
  crew->slots[index] = NULL;
  bool room = crew->retiring <= crew->options.processes;
  if (room && !crew->closed) crew->slots[index] = start(crew, slot->id);
  if (slot->load.count == 0) lp_slot_leave(slot);
}

bool lp_crew_remove(lp_crew *crew, lp_slot *slot) {
  lp_list_remove(&slot->member);
  if (slot->role == LP_SLOT_ALONE) crew->alone--;
  if (slot->role == LP_SLOT_RETIRING) crew->retiring--;
  bool active = crew->slots[slot->id - 1] == slot;
  if (active) crew->slots[slot->id - 1] = NULL;
  return active;
}

void lp_crew_replace(lp_crew *crew, const lp_slot *slot, lp_slot_life life, bool active,
                     bool work) {
  bool expected = life == LP_SLOT_LEAVING || crew->single;
  if (!expected && (active || slot->role == LP_SLOT_ALONE)) crew->restarts++;
  if (!expected && active && life == LP_SLOT_STARTING)
    retry_later(crew, crew->last.error);
  else if ((!expected && active) || (work && !crew->backoff.place && !crew->single))
    lp_crew_fill(crew);
}

void lp_crew_leave(lp_crew *crew) {
  lp_list_each (link, &crew->members) lp_slot_leave(lp_list_of(link, lp_slot, member));
}

void lp_crew_kill(lp_crew *crew) {
  lp_list_each (link, &crew->members) lp_slot_kill(lp_list_of(link, lp_slot, member));
}

/* Where no hook can fire, as in a C function, task_timeout does not reach a task. */
bool lp_crew_kill_stuck(lp_crew *crew, double seconds) {
  double now = (double)uv_hrtime() / 1e9;
  bool killed = false;
  lp_list_each (link, &crew->members) {
    lp_slot *slot = lp_list_of(link, lp_slot, member);
    uint64_t number = slot->shared->on_cpu;
    if (!number || number != slot->seen) slot->since = now;
    slot->seen = number;
    if (!number || now - slot->since <= seconds || slot->blame == LP_DEATH_STUCK) continue;
    slot->blame = LP_DEATH_STUCK;
    lp_slot_kill(slot);
    killed = true;
  }
  return killed;
}

/* ---- standing still ---- */

bool lp_crew_moves(const lp_crew *crew) {
  lp_list_each (link, &crew->members)
    if (lp_slot_moves(lp_list_of(link, lp_slot, member))) return true;
  return false;
}

void lp_crew_probe(lp_crew *crew) {
  lp_list_each (link, &crew->members) lp_slot_probe(lp_list_of(link, lp_slot, member));
}
