/* wire/proto.c: prototypes by number.
 *
 * The sender finds the number by the bytecode itself, and remembers it for a closure that it
 * sends again. The receiver keeps the bytecode and loads it for each closure. Layer: wire. */
#include "runtime/wire/proto.h"

#include <lauxlib.h>

#include "runtime/wire/name.h"

uint32_t lp_proto_cached(lua_State *L, int index) {
  lp_name_memory(L, LP_MEMORY_CLOSURES);
  lua_pushvalue(L, index);
  lua_rawget(L, -2);
  uint32_t number = (uint32_t)lua_tointeger(L, -1);
  lua_pop(L, 2);
  return number;
}

/* Remembers the number for the closure. */
static void cache(lua_State *L, int index, uint32_t number) {
  lp_name_memory(L, LP_MEMORY_CLOSURES);
  lua_pushvalue(L, index);
  lua_pushinteger(L, number);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

uint32_t lp_proto_number(lua_State *L, int index, const char *bytecode, size_t len) {
  lp_name_memory(L, LP_MEMORY_PROTOS);
  int protos = lua_gettop(L);
  lua_pushlstring(L, bytecode, len);
  lua_pushvalue(L, -1);
  uint32_t number;
  if (lua_rawget(L, protos) == LUA_TNUMBER) {
    number = (uint32_t)lua_tointeger(L, -1);
  } else {
    number = (uint32_t)lua_rawlen(L, protos) + 1;
    lua_pushvalue(L, -2);
    lua_rawseti(L, protos, number);
    lua_pushvalue(L, -2);
    lua_pushinteger(L, number);
    lua_rawset(L, protos);
  }
  lua_settop(L, protos - 1);
  cache(L, index, number);
  return number;
}

int lp_proto_load_bytes(lua_State *L, const char *bytecode, size_t len) {
  return luaL_loadbufferx(L, bytecode, len, "=?", "b");
}

int lp_proto_load(lua_State *L, uint32_t number) {
  lp_name_memory(L, LP_MEMORY_LEARNED);
  if (lua_rawgeti(L, -1, number) != LUA_TSTRING) {
    lua_pushfstring(L, "prototype %d has not been sent", (int)number);
    return LUA_ERRRUN;
  }
  size_t len;
  const char *bytecode = lua_tolstring(L, -1, &len);
  int status = lp_proto_load_bytes(L, bytecode, len);
  lua_rotate(L, -3, 1);
  lua_pop(L, 2);
  return status;
}

void lp_proto_push(lua_State *L, uint32_t number) {
  lp_name_memory(L, LP_MEMORY_PROTOS);
  lua_rawgeti(L, -1, number);
  lua_remove(L, -2);
}

void lp_proto_learn(lua_State *L, uint32_t number, const char *bytecode, size_t len) {
  lp_name_memory(L, LP_MEMORY_LEARNED);
  lua_pushlstring(L, bytecode, len);
  lua_rawseti(L, -2, number);
  lua_pop(L, 1);
}
