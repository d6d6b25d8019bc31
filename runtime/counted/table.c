/* counted/table.c: concat, insert, move, remove and unpack, whose ranges may be as large as an
 * integer is, when __len says so. Layer: counted. */
#include "runtime/counted/table.h"

#include <limits.h>
#include <stdbool.h>

#include "runtime/counted/access.h"
#include "runtime/counted/meter.h"
#include "runtime/counted/sort.h"

enum { READ = LP_ACCESS_READ, WRITE = LP_ACCESS_WRITE };

/* Puts the element at `from` of the list at 1 at `to` of the list at `into`. */
static void copy(lp_meter *m, lua_Integer from, int into, lua_Integer to) {
  lua_geti(m->L, 1, from);
  lua_seti(m->L, into, to);
  lp_meter_spend(m, 4);
}

static void add_element(lua_State *L, luaL_Buffer *b, lua_Integer i) {
  lua_geti(L, 1, i);
  if (!lua_isstring(L, -1))
    luaL_error(L, "invalid value (%s) at index %I in table for 'concat'", luaL_typename(L, -1),
               (LUAI_UACINT)i);
  luaL_addvalue(b);
}

static int table_concat(lua_State *L) {
  lp_meter meter = lp_meter_start(L);
  size_t len;
  lua_Integer last = lp_access_length(L, 1, READ);
  const char *between = luaL_optlstring(L, 2, "", &len);
  lua_Integer i = luaL_optinteger(L, 3, 1);
  last = luaL_optinteger(L, 4, last);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (; i < last; i++) {
    add_element(L, &b, i);
    luaL_addlstring(&b, between, len);
    lp_meter_spend(&meter, 4);
  }
  if (i == last) add_element(L, &b, i);
  luaL_pushresult(&b);
  return 1;
}

static int table_insert(lua_State *L) {
  lp_meter meter = lp_meter_start(L);
  lua_Integer end = (lua_Integer)((lua_Unsigned)lp_access_length(L, 1, READ | WRITE) + 1);
  lua_Integer at = end;
  int n = lua_gettop(L);
  if (n != 2 && n != 3) return luaL_error(L, "wrong number of arguments to 'insert'");
  if (n == 3) {
    at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, (lua_Unsigned)at - 1 < (lua_Unsigned)end, 2, "position out of bounds");
    for (lua_Integer i = end; i > at; i--) copy(&meter, i - 1, 1, i);
  }
  lua_seti(L, 1, at);
  return 0;
}

static int table_remove(lua_State *L) {
  lp_meter meter = lp_meter_start(L);
  lua_Integer size = lp_access_length(L, 1, READ | WRITE), at = luaL_optinteger(L, 2, size);
  if (at != size)
    luaL_argcheck(L, (lua_Unsigned)at - 1 <= (lua_Unsigned)size, 2, "position out of bounds");
  lua_geti(L, 1, at);
  for (; at < size; at++) copy(&meter, at + 1, 1, at);
  lua_pushnil(L);
  lua_seti(L, 1, at);
  return 1;
}

static int table_move(lua_State *L) {
  lp_meter meter = lp_meter_start(L);
  lua_Integer from = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3),
              to = luaL_checkinteger(L, 4);
  int into = lua_isnoneornil(L, 5) ? 1 : 5;
  lp_access_check(L, 1, READ);
  lp_access_check(L, into, WRITE);
  if (last >= from) {
    luaL_argcheck(L, from > 0 || last < LUA_MAXINTEGER + from, 3, "too many elements to move");
    lua_Integer n = last - from + 1;
    luaL_argcheck(L, to <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
    bool apart = to > last || to <= from || (into != 1 && !lua_compare(L, 1, into, LUA_OPEQ));
    if (apart)
      for (lua_Integer i = 0; i < n; i++) copy(&meter, from + i, into, to + i);
    else
      for (lua_Integer i = n - 1; i >= 0; i--) copy(&meter, from + i, into, to + i);
  }
  lua_pushvalue(L, into);
  return 1;
}

static int table_unpack(lua_State *L) {
  lp_meter meter = lp_meter_start(L);
  lua_Integer i = luaL_optinteger(L, 2, 1),
              last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
  if (i > last) return 0;
  lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)i; /* without the last one */
  if (n >= INT_MAX || !lua_checkstack(L, (int)n + 1))
    return luaL_error(L, "too many results to unpack");
  for (; i < last; i++) {
    lua_geti(L, 1, i);
    lp_meter_spend(&meter, 2);
  }
  lua_geti(L, 1, last);
  return (int)n + 1;
}

/* table.sort(list [, less]): see sort.c. */
static int table_sort(lua_State *L) {
  return lp_sort(L);
}

const luaL_Reg lp_table_functions[] = {{"concat", table_concat},
                                       {"insert", table_insert},
                                       {"move", table_move},
                                       {"remove", table_remove},
                                       {"sort", table_sort},
                                       {"unpack", table_unpack},
                                       {NULL, NULL}};
