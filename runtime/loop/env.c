/* loop/env.c: the copy of the standard globals, in the registry, and the two functions of it
 * that are not the standard ones. Layer: loop. */
#include "runtime/loop/env.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/loop/frozen.h"

static const char KEY[] = "luapool.env"; /* in the registry; tests look there too */

/* A class is its objects' metatable. With `Class.__index = Class` each object would lead to it,
 * `object.__index`, and who changes it changes all objects, those of other environments too. So
 * objects find methods in a copy, made with the first of them. Stack: the table, the class. */
static void hide_class(lua_State *L) {
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    bool meta = lua_type(L, -2) == LUA_TSTRING && strncmp(lua_tostring(L, -2), "__", 2) == 0;
    if (meta) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 3);
  }
  if (lua_getmetatable(L, 2)) lua_setmetatable(L, 3);
  lua_setfield(L, 2, "__index");
}

/* By its name scripts of environments are told a class of luapool: see lp_frozen_class. */
static void name_class(lua_State *L) {
  lua_pushliteral(L, "__name");
  if (lua_rawget(L, 2) == LUA_TNIL) {
    lua_pushliteral(L, "__name");
    lua_pushliteral(L, "luapool.object");
    lua_rawset(L, 2);
  }
  lua_pop(L, 1);
}

/* setmetatable of luapool's own scripts. */
static int own_setmetatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  lp_frozen_check(L, 1);
  if (lua_istable(L, 2)) {
    name_class(L);
    lua_pushliteral(L, "__index");
    bool leads = lua_rawget(L, 2) == LUA_TTABLE && lua_rawequal(L, -1, 2);
    lua_settop(L, 2);
    if (leads) hide_class(L);
  }
  lua_setmetatable(L, 1);
  return 1;
}

/* rawset of luapool's own scripts, which a script may have given a frozen table. */
static int own_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 3);
  lp_frozen_check(L, 1);
  lua_rawset(L, 1);
  return 1;
}

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

/* What luapool's own scripts ask the environment for. */
static const char *const VARIABLES[] = {
    "ALL_PROXY",     "HTTPS_PROXY",     "JOURNAL_STREAM", "LANG",       "LC_ALL",
    "LC_CTYPE",      "LISTEN_FDNAMES",  "LISTEN_FDS",     "LISTEN_PID", "NOTIFY_SOCKET",
    "NO_COLOR",      "NO_PROXY",        "TERM",           "TMPDIR",     "WATCHDOG_PID",
    "WATCHDOG_USEC", "XDG_RUNTIME_DIR", "all_proxy",      "http_proxy", "https_proxy",
    "no_proxy",
};

/* os.getenv(name), of luapool's own scripts: as it was when the runtime was opened. The host
 * may change its environment while another thread runs them, and getenv bears no change. */
static int env_getenv(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

/* Stack: the copy of the globals. A state of the host need not have `os`. */
static void keep_variables(lua_State *L) {
  if (lua_getfield(L, -1, LUA_OSLIBNAME) != LUA_TTABLE) {
    lua_pop(L, 1);
    return;
  }
  lua_createtable(L, 0, sizeof VARIABLES / sizeof *VARIABLES);
  for (size_t i = 0; i < sizeof VARIABLES / sizeof *VARIABLES; i++) {
    const char *value = getenv(VARIABLES[i]);
    if (!value) continue;
    lua_pushstring(L, value);
    lua_setfield(L, -2, VARIABLES[i]);
  }
  lua_pushcclosure(L, env_getenv, 1);
  lua_setfield(L, -2, "getenv");
  lua_pop(L, 1);
}

void lp_env_open(lua_State *L) {
  static const luaL_Reg own[] = {
      {"setmetatable", own_setmetatable}, {"rawset", own_rawset}, {NULL, NULL}};
  lua_pushglobaltable(L);
  copy(L, true);
  luaL_setfuncs(L, own, 0);
  keep_variables(L);
  lua_setfield(L, LUA_REGISTRYINDEX, KEY);
  lua_pop(L, 1);
}

void lp_env_push(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, KEY) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_pushglobaltable(L);
}

void lp_env_get(lua_State *L, const char *name) {
  lp_env_push(L);
  lua_pushstring(L, name);
  lua_rawget(L, -2);
  lua_remove(L, -2);
}
