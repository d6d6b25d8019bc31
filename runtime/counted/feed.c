/* counted/feed.c: the function that `load` asks for pieces. Layer: counted. */
#include "runtime/counted/feed.h"

#include "runtime/counted/meter.h"

enum { PIECE = 16 << 10 }; /* bytes, which take a millisecond */

/* Upvalues: the text, and how much of it has been given. */
static int next_piece(lua_State *L) {
  size_t len;
  const char *text = lua_tolstring(L, lua_upvalueindex(1), &len);
  size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(2)), n = len - at;
  lp_meter meter = lp_meter_start(L);
  lp_meter_look(&meter);
  if (n > PIECE) n = PIECE;
  lua_pushinteger(L, (lua_Integer)at + (lua_Integer)n);
  lua_replace(L, lua_upvalueindex(2));
  lua_pushlstring(L, text + at, n);
  return 1;
}

void lp_feed(lua_State *L) {
  if (lua_type(L, 1) != LUA_TSTRING || lua_rawlen(L, 1) <= PIECE) return;
  if (lua_gettop(L) < 2) lua_settop(L, 2);
  if (lua_isnil(L, 2)) { /* the name of a text is the text */
    lua_pushvalue(L, 1);
    lua_replace(L, 2);
  }
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_piece, 2);
  lua_replace(L, 1);
}
