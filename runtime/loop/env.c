/* loop/env.c: the copy of the standard globals, in the registry. Layer: loop. */
#include "runtime/loop/env.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

static const char key; /* its address is the key in the registry */

/* Stack: a table. How many fields it has. */
static int count(lua_State *L) {
  int n = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) n++;
  return n;
}

/* Stack: a table. Pushes a copy of it, in which each library is a copy too when it is `deep`.
 */
static void copy(lua_State *L, bool deep) {
  int from = lua_gettop(L), to = from + 1;
  lua_createtable(L, 0, count(L));
  for (lua_pushnil(L); lua_next(L, from); lua_settop(L, to + 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    bool shared = strcmp(name, LUA_GNAME) == 0 || strcmp(name, LUA_LOADLIBNAME) == 0;
    if (deep && !shared && lua_istable(L, -1)) copy(L, false);
    lua_pushvalue(L, to + 1);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

void lp_env_open(lua_State *L) {
  lua_pushglobaltable(L);
  copy(L, true);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  lua_pop(L, 1);
}

void lp_env_push(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_pushglobaltable(L);
}

void lp_env_get(lua_State *L, const char *name) {
  lp_env_push(L);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}

void lp_env_set(lua_State *L, const char *name) {
  lp_env_push(L);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_pop(L, 1);
  lua_setglobal(L, name);
}
