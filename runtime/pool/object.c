/* pool/object.c: which objects of main somebody elsewhere may still name. Layer: pool. Process:
 * main. */
#include "runtime/pool/object.h"

#include <lauxlib.h>

#include "runtime/loop/state.h"

/* Their addresses are keys of the registry. */
static const char objects_key, pinned_key, pins_key;

static void push_table(lua_State *L, const void *key, const char *mode) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  if (mode) {
    lua_createtable(L, 0, 1);
    lua_pushstring(L, mode);
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void lp_object_table(lua_State *L) {
  push_table(L, &objects_key, "v");
}

void lp_object_pin(lua_State *L, uint32_t number) {
  luaL_checkstack(L, 4, NULL);
  push_table(L, &pinned_key, NULL);
  lp_object_table(L);
  lua_rawgeti(L, -1, number);
  lua_rawseti(L, -3, number);
  lua_pop(L, 2);
  push_table(L, &pins_key, NULL);
  lua_rawgeti(L, -1, number);
  lua_pushinteger(L, lua_tointeger(L, -1) + 1);
  lua_rawseti(L, -3, number);
  lua_pop(L, 2);
}

/* Changes only what is in the tables: does not allocate, so cannot raise. */
void lp_object_unpin(lp_state *st, uint32_t number) {
  lua_State *L = st->L;
  if (!L) return;
  int top = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &pins_key);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &pinned_key);
  if (lua_istable(L, top + 1) && lua_rawgeti(L, top + 1, number) == LUA_TNUMBER) {
    lua_Integer left = lua_tointeger(L, -1) - 1;
    for (int i = 1; i <= 2 && left == 0; i++) {
      lua_pushnil(L);
      lua_rawseti(L, top + i, number);
    }
    lua_pushinteger(L, left);
    if (left > 0) lua_rawseti(L, top + 1, number);
  }
  lua_settop(L, top);
}

void lp_object_unpin_all(lp_state *st, const uint32_t *numbers, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (numbers[i] & LP_OBJECT_BIT) lp_object_unpin(st, numbers[i] & ~LP_OBJECT_BIT);
}
