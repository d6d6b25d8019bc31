/* loop/collect.c: cycles of Lua's incremental collector, piece by piece. Layer: loop. */
#include "runtime/loop/collect.h"

#include <lauxlib.h>
#include <string.h>
#include <uv.h>

#include "runtime/base/clock.h"
#include "runtime/loop/state.h"
#include "runtime/loop/step.h"

enum {
  SHARE = 15,      /* percent of a step */
  MOST_SHARE = 50, /* when scripts make garbage faster than that removes it */
  LATE = 3,        /* times of what was alive: from here on the share grows */
  FEW = 64 << 10,  /* bytes that a heap may grow in any case before a cycle begins */
  GRAIN = 5,       /* log2 of the bytes in whose measure Lua cuts its work: some 5 us */
  DEFAULT_GRAIN = 13
};

/* ---- by hand and by itself ---- */

static void take_over(lp_state *st) {
  lp_collect *c = &st->collect;
  c->by_hand = true;
  c->stopped = !lua_gc(st->L, LUA_GCISRUNNING);
  lua_gc(st->L, LUA_GCSTOP);
  lua_gc(st->L, LUA_GCINC, 0, 0, GRAIN);
  if (!c->live) c->live = st->heap.used / 2;
}

void lp_collect_automatic(lp_state *st) {
  lp_collect *c = &st->collect;
  if (!c->by_hand) return;
  c->by_hand = false;
  lua_gc(st->L, LUA_GCINC, 0, 0, DEFAULT_GRAIN);
  if (!c->stopped) lua_gc(st->L, LUA_GCRESTART);
}

/* ---- cycles ---- */

static size_t bytes_of(const lp_state *st) {
  if (!st->attached) return st->heap.used;
  return (size_t)lua_gc(st->L, LUA_GCCOUNT) * 1024;
}

/* Stack: a table with weak values. */
static void begin(lua_State *L, lp_collect *c) {
  c->cycling = true;
  c->marked = c->wanted = false;
  lua_newtable(L); /* it is dead at once */
  lua_rawseti(L, -2, 1);
}

/* The collector has freed memory, and may have come from marking to freeing: then the weak
 * table, which is on top of the stack, has been cleared. */
static void account(lua_State *L, lp_collect *c, size_t before, size_t after) {
  if (!c->marked) {
    c->marked = lua_rawgeti(L, -1, 1) == LUA_TNIL;
    c->left = before;
    lua_pop(L, 1);
  }
  size_t freed = before > after ? before - after : 0;
  c->left -= freed < c->left ? freed : c->left;
}

static const char weak; /* its address is the key of the weak table in the registry */

/* Protected. Arguments: the runtime (light), when to end. When the marks are complete Lua frees
 * at once all that is dead and younger than the youngest living object; one that is made now
 * and lives until the end of this function keeps that short. */
static int go_on(lua_State *L) {
  lp_state *st = lua_touserdata(L, 1);
  lp_collect *c = &st->collect;
  uint64_t end = (uint64_t)lua_tointeger(L, 2);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &weak);
  if (!c->cycling) begin(L, c);
  lua_newtable(L);
  size_t before = bytes_of(st);
  bool ended;
  do ended = lua_gc(L, LUA_GCSTEP, 0);
  while (!ended && uv_hrtime() < end);
  lua_pop(L, 1);
  account(L, c, before, bytes_of(st));
  if (!ended) return 0;
  c->cycling = false;
  c->live = c->left;
  return 0;
}

/* Goes on with a cycle, or begins one, until its end or that time. Returns when it stopped. */
static uint64_t go_on_until(lp_state *st, uint64_t end) {
  lua_State *L = st->L;
  lua_pushcfunction(L, go_on);
  lua_pushlightuserdata(L, st);
  lua_pushinteger(L, (lua_Integer)end);
  if (lua_pcall(L, 2, 0, 0) != LUA_OK) lua_pop(L, 1); /* it had no memory for its tables */
  return uv_hrtime();
}

static bool is_due(const lp_state *st, size_t bytes) {
  const lp_collect *c = &st->collect;
  return c->wanted || (!c->stopped && bytes >= 2 * c->live && bytes >= c->live + FEW);
}

/* Percent of the step: more when the heap has grown far beyond what was alive. */
static unsigned share_of(const lp_collect *c, size_t bytes) {
  size_t late = LATE * (c->live + FEW);
  if (bytes <= late) return SHARE;
  size_t more = (bytes - late) / (late / (MOST_SHARE - SHARE) + 1);
  return more < MOST_SHARE - SHARE ? SHARE + (unsigned)more : MOST_SHARE;
}

void lp_collect_share(lp_state *st, uint64_t start, uint64_t end) {
  lp_collect *c = &st->collect;
  if (!c->by_hand) take_over(st);
  size_t bytes = bytes_of(st);
  if (!c->cycling && !is_due(st, bytes)) return;
  bool all = st->ceiling.collecting;
  int64_t share =
      all ? (int64_t)(end - start) : (int64_t)((end - start) * share_of(c, bytes) / 100);
  if (!all && c->owed >= share) {
    c->owed -= share;
    return;
  }
  if (!all) share -= c->owed;
  int64_t took = -lp_clock_cpu_ns(); /* other processes, which may run meanwhile, are free */
  go_on_until(st, start + (uint64_t)share);
  took += lp_clock_cpu_ns();
  st->share_ns = took;
  c->owed = took > share ? took - share : 0;
  if (all && !c->cycling && !c->wanted) lp_ceiling_collected(st);
}

int lp_collect_for(lp_state *st, int64_t budget_us) {
  lp_collect *c = &st->collect;
  bool by_hand = c->by_hand;
  uint64_t now = uv_hrtime(), end = now + (uint64_t)(budget_us > 0 ? budget_us : 0) * 1000;
  if (!by_hand) take_over(st);
  if (!c->asked) c->asked = c->wanted = true;
  while ((c->cycling || c->wanted) && now < end) now = go_on_until(st, end);
  c->asked = c->cycling || c->wanted;
  if (!by_hand) lp_collect_automatic(st);
  return c->asked ? LP_MORE : 0;
}

void lp_collect_soon(lp_state *st) {
  if (st->collect.by_hand)
    st->collect.wanted = true;
  else
    lua_gc(st->L, LUA_GCCOLLECT);
}

/* ---- collectgarbage ---- */

/* In place of the standard function, its upvalue, while steps collect. */
static int answer(lua_State *L, lp_collect *c) {
  static const char *const names[] = {
      "stop",         "restart",     "collect",  "step",       "isrunning",
      "generational", "incremental", "setpause", "setstepmul", NULL};
  const char *option = names[luaL_checkoption(L, 1, "collect", names)];
  if (strcmp(option, "stop") == 0) c->stopped = true;
  if (strcmp(option, "restart") == 0) c->stopped = false;
  if (strcmp(option, "collect") == 0 || strcmp(option, "step") == 0) c->wanted = true;
  if (strcmp(option, "isrunning") == 0)
    lua_pushboolean(L, !c->stopped);
  else if (strcmp(option, "step") == 0)
    lua_pushboolean(L, true); /* the loops of those who wait for the end of a cycle end */
  else if (option[0] == 'g' || option[0] == 'i')
    lua_pushliteral(L, "incremental");
  else
    lua_pushinteger(L, 0);
  return 1;
}

static int base_collectgarbage(lua_State *L) {
  lp_state *st = lp_state_of(L);
  const char *option = luaL_optstring(L, 1, "collect");
  if (st->collect.by_hand && strcmp(option, "count") != 0) return answer(L, &st->collect);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

void lp_collect_open(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &weak);
  lua_getglobal(L, "collectgarbage");
  lua_pushcclosure(L, base_collectgarbage, 1);
  lua_setglobal(L, "collectgarbage");
}
