/* loop/depth.c: two coroutines that resume each other by turns: each has one level more than
 * the other then. Layer: loop. */
#include "runtime/loop/depth.h"

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/stack.h"
#include "runtime/loop/state.h"

enum {
  /* Lua's levels, with those that it adds for the handling of an overflow. */
  LEVELS = 200 + 20,
  /* A task gets so many at least. */
  FEWEST = 20,
  /* They are taken by so many, so that a few bytes more or less change nothing. */
  STEP = 10,
  /* Bytes for what a C function does without calling Lua. */
  RESERVE = 64 << 10,
/* Bytes of the deepest known level: string.gsub and its callback. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  LEVEL = 16 << 10
#else
  LEVEL = 3 << 10
#endif
};

static const char key; /* its address is the registry key of the coroutines */

static int wait(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_yieldk(L, 0, 0, wait);
}

static int start(lua_State *L) {
  return wait(L, LUA_OK, 0);
}

/* Protected. Pushes a table of two coroutines, the first time. */
static int push_coroutines(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE) return 1;
  lua_createtable(L, 2, 0);
  for (int i = 1; i <= 2; i++) {
    lua_State *co = lua_newthread(L);
    lua_sethook(co, NULL, 0, 0);
    lua_pushcfunction(co, start);
    lua_rawseti(L, -2, i);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  return 1;
}

static int levels_to_take(const lp_state *st) {
  size_t left = lp_stack_left(), most = st->limits.stack;
  if (most && most < left) left = most;
  size_t levels = left > RESERVE ? (left - RESERVE) / LEVEL : 0;
  if (levels >= LEVELS) return 0;
  int taken = (LEVELS - (int)levels + STEP - 1) / STEP * STEP;
  return taken < LEVELS - 20 - FEWEST ? taken : LEVELS - 20 - FEWEST;
}

void lp_depth_fit(lp_state *st) {
  lp_depth *d = &st->depth;
  lua_State *L = st->L;
  int taken = levels_to_take(st), count;
  if (taken == d->taken) return;
  d->from = NULL;
  d->taken = 0;
  if (taken == 0) return;
  lua_pushcfunction(L, push_coroutines);
  if (lua_pcall(L, 0, 1, 0) == LUA_OK) {
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    lua_State *co[] = {lua_tothread(L, -2), lua_tothread(L, -1)};
    lua_pop(L, 2);
    for (; d->taken < taken; d->taken++) {
      lua_resume(co[d->taken % 2], d->from, 0, &count);
      d->from = co[d->taken % 2];
    }
  }
  lua_pop(L, 1);
}
