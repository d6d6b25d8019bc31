/* counted/access.c: lists that are no tables. Layer: counted. */
#include "runtime/counted/access.h"

#include <lauxlib.h>
#include <stdbool.h>

static bool has(lua_State *L, int metatable, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, metatable);
  bool there = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return there;
}

void lp_access_check(lua_State *L, int arg, int what) {
  if (lua_type(L, arg) == LUA_TTABLE) return;
  bool fits = lua_getmetatable(L, arg);
  int metatable = lua_gettop(L);
  fits = fits && (!(what & LP_ACCESS_READ) || has(L, metatable, "__index")) &&
         (!(what & LP_ACCESS_WRITE) || has(L, metatable, "__newindex")) &&
         (!(what & LP_ACCESS_LENGTH) || has(L, metatable, "__len"));
  if (!fits) luaL_checktype(L, arg, LUA_TTABLE);
  lua_pop(L, 1);
}

lua_Integer lp_access_length(lua_State *L, int arg, int what) {
  lp_access_check(L, arg, what | LP_ACCESS_LENGTH);
  return luaL_len(L, arg);
}

/* A C function without upvalues runs in the frame of ours, so that its errors name ours, and it
 * may wait. */
int lp_access_standard(lua_State *L) {
  lua_CFunction f = lua_tocfunction(L, lua_upvalueindex(1));
  if (f && !lua_getupvalue(L, lua_upvalueindex(1), 1)) return f(L);
  if (f) lua_pop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}
