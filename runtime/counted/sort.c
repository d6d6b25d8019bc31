/* counted/sort.c: table.sort: quicksort with the middle one of three as the pivot, on elements
 * that are got and set as the standard function does it, metamethods included. Layer: counted.
 */
#include "runtime/counted/sort.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>

#include "runtime/base/stack.h"
#include "runtime/counted/access.h"
#include "runtime/counted/meter.h"

/* Stack while it sorts: 1 the list, 2 the function or nil, then what the lines below say. */
typedef struct sorter {
  lp_meter meter;
  bool asks; /* there is a function */
} sorter;

/* Is the value at `a` less than that at `b`? */
static bool less(const sorter *s, int a, int b) {
  lua_State *L = s->meter.L;
  if (!s->asks) return lua_compare(L, a, b, LUA_OPLT);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, a < 0 ? a - 1 : a);
  lua_pushvalue(L, b < 0 ? b - 2 : b);
  lua_call(L, 2, 1);
  bool yes = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return yes;
}

/* Stack: the elements at i and at j. Puts each in the other's place. */
static void swap(lua_State *L, lua_Integer i, lua_Integer j) {
  lua_seti(L, 1, i);
  lua_seti(L, 1, j);
}

/* Brings the elements at i < j in order. True when they were not. */
static bool order(const sorter *s, lua_Integer i, lua_Integer j) {
  lua_State *L = s->meter.L;
  lua_geti(L, 1, i);
  lua_geti(L, 1, j);
  bool swaps = less(s, -1, -2);
  if (swaps)
    swap(L, i, j);
  else
    lua_pop(L, 2);
  return swaps;
}

static int wrong_order(lua_State *L) {
  return luaL_error(L, "invalid order function for sorting");
}

/* Stack: the pivot, which also stands at hi - 1. Between lo and hi - 1 puts what is less before
 * what is not, and the pivot between. Returns its place. */
static lua_Integer part(sorter *s, lua_Integer lo, lua_Integer hi) {
  lua_State *L = s->meter.L;
  lua_Integer i = lo, j = hi - 1;
  for (;;) {
    while (lua_geti(L, 1, ++i), less(s, -1, -2)) {
      if (i == hi - 1) wrong_order(L);
      lua_pop(L, 1);
      lp_meter_spend(&s->meter, 4);
    }
    while (lua_geti(L, 1, --j), less(s, -3, -1)) {
      if (j < i) wrong_order(L);
      lua_pop(L, 1);
      lp_meter_spend(&s->meter, 4);
    }
    if (j < i) {
      lua_pop(L, 1); /* stack: the pivot, the element at i */
      lua_geti(L, 1, hi - 1);
      lua_insert(L, -2);
      swap(L, hi - 1, i);
      return i;
    }
    swap(L, i, j);
    lp_meter_spend(&s->meter, 4);
  }
}

/* Where the pivot is looked for: in the middle, unless the parts have been uneven before. Then
 * no order that a list has by itself makes them so again. */
static lua_Integer middle_of(lua_Integer lo, lua_Integer hi, unsigned uneven) {
  lua_Integer quarter = (hi - lo) / 4;
  if (uneven == 0 || quarter == 0) return lo + (hi - lo) / 2;
  return lo + quarter + (lua_Integer)(uneven * 2654435761u % (unsigned)(2 * quarter));
}

/* Sorts from lo to hi: the smaller part by a call, so that these nest no more than 31 times. */
static void sort(sorter *s, lua_Integer lo, lua_Integer hi, unsigned uneven) {
  lua_State *L = s->meter.L;
  while (lo < hi) {
    lua_Integer size = hi - lo, middle = middle_of(lo, hi, uneven);
    order(s, lo, hi);
    if (size == 1) return;
    if (!order(s, lo, middle)) order(s, middle, hi);
    if (size == 2) return;
    lua_geti(L, 1, middle);
    lua_pushvalue(L, -1);
    lua_geti(L, 1, hi - 1);
    swap(L, middle, hi - 1);
    lua_Integer at = part(s, lo, hi), before = at - lo, behind = hi - at;
    lua_pop(L, 1);
    if ((before < behind ? before : behind) < size / 128) uneven++;
    if (before < behind) {
      sort(s, lo, at - 1, uneven);
      lo = at + 1;
    } else {
      sort(s, at + 1, hi, uneven);
      hi = at - 1;
    }
  }
}

int lp_sort(lua_State *L) {
  sorter s = {.meter = lp_meter_start(L)};
  lua_Integer n = lp_access_length(L, 1, LP_ACCESS_READ | LP_ACCESS_WRITE);
  if (n < 2) return 0;
  luaL_argcheck(L, n < INT_MAX, 1, "array too big");
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  if (lp_stack_low()) luaL_error(L, "C stack overflow");
  lua_settop(L, 2);
  s.asks = !lua_isnil(L, 2);
  luaL_checkstack(L, 16, NULL);
  sort(&s, 1, n, 0);
  return 0;
}
