/* loop/ceiling.c: from the heap's word that memory is tight to the end of the task that took
 * it. Layer: loop. */
#include "runtime/loop/ceiling.h"

#include <lua.h>

#include "runtime/loop/interrupt.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"

/* Called within an allocation of Lua. */
static void on_tight(lp_heap *h, bool failed) {
  lp_state *st = lp_list_of(h, lp_state, heap);
  (void)failed;
  st->ceiling.reached = true;
  lp_interrupt_now(st);
}

void lp_ceiling_open(lp_state *st) {
  st->heap.on_tight = on_tight;
}

void lp_ceiling_suspends(lp_state *st) {
  st->ceiling.task = st->current;
  st->ceiling.number = st->current->number;
}

/* Closes the task that was suspended for it, unless it has ended since. */
static void close_task(lp_state *st) {
  const lp_task *task = st->ceiling.task;
  st->ceiling.task = NULL;
  lp_list_each (link, &st->preempted) {
    lp_task *t = lp_list_of(link, lp_task, link);
    if (t != task || t->number != st->ceiling.number) continue;
    lp_task_close_starved(t);
    return;
  }
}

void lp_ceiling_relieve(lp_state *st) {
  st->ceiling.reached = false;
  if (lp_heap_relax(&st->heap)) return; /* Lua has collected meanwhile */
  if (st->collect.by_hand) {
    st->ceiling.collecting = st->collect.wanted = st->overdue = true;
    return;
  }
  lua_gc(st->L, LUA_GCCOLLECT);
  lp_ceiling_collected(st);
}

void lp_ceiling_collected(lp_state *st) {
  st->ceiling.collecting = false;
  if (!lp_heap_relax(&st->heap)) close_task(st);
}
