/* sandbox/base.c: the global functions that are not the standard ones in an environment: they
 * know its globals, leave frozen tables and luapool's classes alone, and do nothing to the
 * state that others would feel. Layer: sandbox. */
#include "runtime/sandbox/base.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/counted/feed.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/env.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/frozen.h"
#include "runtime/loop/raise.h"

static const char key; /* in the registry: these functions by name */

/* Calls the standard function in this frame, so that errors name what the script has called. */
static int call_standard(lua_State *L) {
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void lp_base_check_plain(lua_State *L) {
  bool plain = lua_iscfunction(L, -1) && !lua_getupvalue(L, -1, 1);
  if (!plain) luaL_error(L, "a standard function is not the one of Lua");
}

/* ---- code ---- */

/* A mode of `load` without bytecode. */
static const char *text_mode(const char *mode) {
  return strchr(mode, 't') ? "t" : "";
}

/* Arguments as of `load` or `loadfile`: `mode` is the index of the mode, behind it comes the
 * table of globals, which is that of the environment when there is none. */
static int compile(lua_State *L, int mode) {
  bool given = !lua_isnone(L, mode + 1);
  lua_settop(L, mode + given);
  if (!(lp_allow_bits(L) & LP_ALLOW_BYTECODE)) {
    lua_pushstring(L, text_mode(luaL_optstring(L, mode, "bt")));
    lua_replace(L, mode);
  }
  if (!given) lp_environment_push(L, lp_environment_current(L), LP_ENVIRONMENT_GLOBALS);
  return call_standard(L);
}

static int base_load(lua_State *L) {
  lp_feed(L);
  return compile(L, 3);
}

/* Standard input belongs to the process. */
static void check_file(lua_State *L, const char *function) {
  const char *path = luaL_optstring(L, 1, NULL);
  if (path)
    lp_allow_path(L, LP_ALLOW_READ, path);
  else
    lp_allow(L, LP_ALLOW_PROCESS, function);
}

static int base_loadfile(lua_State *L) {
  check_file(L, "loadfile");
  return compile(L, 2);
}

static int all_results(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L) - 1;
}

static int base_dofile(lua_State *L) {
  check_file(L, "dofile");
  const char *path = luaL_optstring(L, 1, NULL);
  bool bytecode = lp_allow_bits(L) & LP_ALLOW_BYTECODE;
  lua_settop(L, 1);
  if (luaL_loadfilex(L, path, bytecode ? NULL : "t") != LUA_OK) return lua_error(L);
  lp_environment_push(L, lp_environment_current(L), LP_ENVIRONMENT_GLOBALS);
  lua_setupvalue(L, 2, 1);
  lua_callk(L, 0, LUA_MULTRET, 0, all_results);
  return all_results(L, LUA_OK, 0);
}

/* ---- tables ---- */

static int base_getmetatable(lua_State *L) {
  luaL_checkany(L, 1);
  int type = lua_type(L, 1);
  if (type == LUA_TSTRING) {
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
  }
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL || lp_frozen_class(L, 1)) return 1;
  bool has = lua_getmetatable(L, 1);
  if (has && type != LUA_TTABLE) lua_pushboolean(L, false);
  if (!has) lua_pushnil(L);
  return 1;
}

static int base_setmetatable(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
  if (lua_getmetatable(L, 1)) {
    lp_frozen_check_own(L, 1);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
      return luaL_error(L, "cannot change a protected metatable");
  }
  lua_settop(L, 2);
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return lp_raise(
          L, "denied",
          "no finalizer (__gc) runs in a sandbox; use __close and a <close> variable");
    lua_settop(L, 2);
  }
  lua_setmetatable(L, 1);
  return 1;
}

static int base_rawset(lua_State *L) {
  if (lua_getmetatable(L, 1)) {
    lua_pop(L, 1);
    lp_frozen_check_own(L, 1);
  }
  return call_standard(L);
}

static int base_next(lua_State *L) {
  if (lua_getmetatable(L, 1)) {
    lua_pop(L, 1);
    if (lp_frozen_open(L, 1)) lua_replace(L, 1);
  }
  return call_standard(L);
}

/* ---- the state ---- */

/* When memory is collected is not for one environment to decide. */
static int base_collectgarbage(lua_State *L) {
  const char *what = luaL_optstring(L, 1, "collect");
  if (strcmp(what, "count") == 0) {
    lua_pushnumber(L, lua_gc(L, LUA_GCCOUNT) + lua_gc(L, LUA_GCCOUNTB) / 1024.0);
  } else if (strcmp(what, "collect") == 0) {
    lua_pushinteger(L, 0);
  } else if (strcmp(what, "step") == 0 || strcmp(what, "isrunning") == 0) {
    lua_pushboolean(L, true);
  } else {
    return lp_raise(L, "denied", "collectgarbage '%s' is denied in a sandbox", what);
  }
  return 1;
}

/* "@on" and "@off" would be for all. */
static int base_warn(lua_State *L) {
  const char *first = luaL_checkstring(L, 1);
  if (*first == '@' && lua_gettop(L) == 1) return 0;
  return call_standard(L);
}

/* ---- all of them ---- */

static const char *const standard[] = {"assert", "error",    "ipairs",   "pairs",  "pcall",
                                       "print",  "rawequal", "rawget",   "rawlen", "select",
                                       "type",   "tonumber", "tostring", "xpcall", "_VERSION"};

static const luaL_Reg instead[] = {{"dofile", base_dofile},
                                   {"setmetatable", base_setmetatable},
                                   {"collectgarbage", base_collectgarbage},
                                   {NULL, NULL}};

/* These call the standard one. */
static const luaL_Reg over[] = {
    {"load", base_load}, {"loadfile", base_loadfile}, {"rawset", base_rawset},
    {"next", base_next}, {"warn", base_warn},
};

/* getmetatable gives strings a frozen metatable of their own: { __index = string }. */
static void push_getmetatable(lua_State *L, int strings) {
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, strings);
  lua_setfield(L, -2, "__index");
  lp_frozen_wrap(L);
  lua_pushcclosure(L, base_getmetatable, 1);
}

static void make(lua_State *L, int strings) {
  lua_newtable(L);
  for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
    lp_env_get(L, standard[i]);
    lua_setfield(L, -2, standard[i]);
  }
  for (size_t i = 0; i < sizeof over / sizeof *over; i++) {
    lp_env_get(L, over[i].name);
    lp_base_check_plain(L);
    lua_pushcclosure(L, over[i].func, 1);
    lua_setfield(L, -2, over[i].name);
  }
  luaL_setfuncs(L, instead, 0);
  push_getmetatable(L, strings);
  lua_setfield(L, -2, "getmetatable");
}

void lp_base_push(lua_State *L, int strings) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  make(L, strings);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}
