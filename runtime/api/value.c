/* api/value.c: values of luapool.h to and from Lua's stack. Layer: api. */
#include "runtime/api/value.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

static void push(lua_State *L, const luapool_value *v) {
  switch (v->type) {
  case LUAPOOL_NIL: lua_pushnil(L); break;
  case LUAPOOL_BOOLEAN: lua_pushboolean(L, v->as.integer != 0); break;
  case LUAPOOL_INTEGER: lua_pushinteger(L, (lua_Integer)v->as.integer); break;
  case LUAPOOL_NUMBER: lua_pushnumber(L, v->as.number); break;
  case LUAPOOL_STRING: lua_pushlstring(L, v->as.string.bytes, v->as.string.len); break;
  case LUAPOOL_POINTER: lua_pushlightuserdata(L, v->as.pointer); break;
  default: abort();
  }
}

const luapool_value *lp_value_strange(const luapool_value *values, int n) {
  for (int i = 0; i < n; i++)
    if (values[i].type < LUAPOOL_NIL || values[i].type >= LUAPOOL_OTHER) return &values[i];
  return NULL;
}

void lp_value_push(lua_State *L, const luapool_value *values, int n) {
  luaL_checkstack(L, n, "too many arguments");
  for (int i = 0; i < n; i++) push(L, &values[i]);
}

void lp_value_get(lua_State *L, int index, luapool_value *v) {
  memset(v, 0, sizeof *v);
  switch (lua_type(L, index)) {
  case LUA_TNONE:
  case LUA_TNIL: v->type = LUAPOOL_NIL; break;
  case LUA_TBOOLEAN:
    v->type = LUAPOOL_BOOLEAN;
    v->as.integer = lua_toboolean(L, index);
    break;
  case LUA_TNUMBER:
    v->type = lua_isinteger(L, index) ? LUAPOOL_INTEGER : LUAPOOL_NUMBER;
    if (v->type == LUAPOOL_INTEGER)
      v->as.integer = lua_tointeger(L, index);
    else
      v->as.number = lua_tonumber(L, index);
    break;
  case LUA_TSTRING:
    v->type = LUAPOOL_STRING;
    v->as.string.bytes = lua_tolstring(L, index, &v->as.string.len);
    break;
  case LUA_TLIGHTUSERDATA:
    v->type = LUAPOOL_POINTER;
    v->as.pointer = lua_touserdata(L, index);
    break;
  default: v->type = LUAPOOL_OTHER;
  }
}
