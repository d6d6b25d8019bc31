/* bindings/json/open.c: luapool.json.core, and json.array and json.null. Layer: bindings; any
 * process. */
#include "bindings/bindings.h"
#include "bindings/json/decode.h"
#include "bindings/json/encode.h"
#include "bindings/json/json.h"
#include "runtime/loop/frozen.h"
#include "runtime/loop/usage.h"
#include "runtime/wire/wire.h"

/* json.array([t]) -> t, marked as a list, so that it is encoded as [] when it is empty. */
static int json_array(lua_State *L) {
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
    lua_replace(L, 1);
  }
  if (!lua_istable(L, 1)) lp_usage_argument(L, 1, "json.array", "a list");
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lpb_json_array);
  bool other = lua_getmetatable(L, 1) && !lua_rawequal(L, -1, 2);
  if (other) lp_frozen_check_own(L, 1);
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

/* tostring(json.null), which is the one light userdata that scripts see. */
static int null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

/* Both values travel by name, so that a worker's null is main's null. */
static void add_constants(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&lpb_json_null);
  lp_wire_name(L, -1, "luapool.json.null");
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, null_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "null");
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "luapool.json.array");
  lua_setfield(L, -2, "__name");
  lp_wire_name(L, -1, "luapool.json.array");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &lpb_json_array);
}

int luaopen_luapool_json_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"array", json_array}, {NULL, NULL}};
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lpb_json_decode_functions, 0);
  luaL_setfuncs(L, lpb_json_encode_functions, 0);
  add_constants(L);
  return 1;
}
