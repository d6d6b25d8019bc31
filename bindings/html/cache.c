/* bindings/html/cache.c: a table in the registry for each cache; its number 0 counts what is in
 * it. Layer: bindings. */
#include "bindings/html/cache.h"

enum { MOST = 256 };

bool lpb_html_cache_get(lua_State *L, const void *which, int text) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, which) != LUA_TTABLE) {
    lua_pop(L, 1);
    return false;
  }
  lua_pushvalue(L, text);
  bool found = lua_rawget(L, -2) == LUA_TUSERDATA;
  lua_remove(L, -2);
  if (!found) lua_pop(L, 1);
  return found;
}

void lpb_html_cache_set(lua_State *L, const void *which, int text) {
  lua_Integer count = MOST;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, which) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 0);
    count = lua_tointeger(L, -1);
    lua_pop(L, 1);
  }
  if (count == MOST) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, which);
    count = 0;
  }
  lua_pushinteger(L, count + 1);
  lua_rawseti(L, -2, 0);
  lua_pushvalue(L, text);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}
