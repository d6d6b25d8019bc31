/* api/stats.c: figures of a runtime. Layer: api. */
#include <stddef.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/pool/fleet.h"

static size_t count(const lp_list *list) {
  size_t n = 0;
  lp_list_each (link, list) n++;
  return n;
}

int luapool_get_stats(luapool *rt, luapool_stats *stats) {
  lp_api_begin(rt);
  size_t size = stats ? stats->size : 0;
  if (size < sizeof size)
    return lp_api_fail(rt, LUAPOOL_EARGUMENT, "luapool_stats has no size");
  const lp_state *st = &rt->state;
  const lp_fleet *fleet = lp_fleet_find(st);
  luapool_stats all = {.lua_bytes = st->heap.used,
                       .native_bytes = st->heap.native,
                       .tasks = st->anchored - (size_t)st->idle_count,
                       .ready = count(&st->ready) + count(&st->preempted),
                       .calls = lp_mailbox_expected(st->mailbox),
                       .workers = fleet ? count(&fleet->workers) : 0,
                       .cpu_us = st->step_ns / 1000,
                       .gc_us = st->share_ns / 1000,
                       .longest_us = st->longest_ns / 1000};
  all.size = size;
  memcpy(stats, &all, size < sizeof all ? size : sizeof all);
  return LUAPOOL_OK;
}
