/* tests/fuzz/fuzz_wire.c: any bytes are read or refused; what was read makes the round trip.
 *
 * Functions are refused, as in a runtime that does not trust the sender: bytecode cannot be
 * checked. The first byte says whether a known graph is at hand. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>

#include "runtime/loop/raise.h"
#include "runtime/wire/wire.h"
#include "tests/support/bare.h"
#include "tests/support/wire_same.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stack of the calls below: the known graph, then (upvalue 1) what compares. */
static int round_trip(lua_State *L) {
  size_t len = (size_t)lua_tointeger(L, 3);
  lp_buf *out = lua_touserdata(L, 4);
  lp_wire w = {.known = lua_toboolean(L, 5) ? 1 : 0, .no_functions = 1};
  const char *bytes = lua_touserdata(L, 2);
  int n = lp_wire_decode(L, &w, bytes, len);
  if (n > 100) return 0;
  int first = lua_gettop(L) - n + 1;
  lp_wire_encode(L, &w, first, n, out);
  if (lp_wire_decode(L, &w, out->data, out->len) != n) abort();
  luaL_checkstack(L, 2 * n + 10, NULL);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, first);
  lua_pushinteger(L, n);
  lua_insert(L, first + 1);
  lua_call(L, 2 * n + 1, 1);
  if (!lua_toboolean(L, -1)) abort();
  return 0;
}

/* A graph of two metatables, the first of which is named. */
static int prepare(lua_State *L) {
  lp_wire_graph(L);
  lua_newtable(L);
  lp_wire_name(L, -1, "fuzz.Class");
  lua_rawseti(L, 1, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawseti(L, 1, 2);
  lua_pushinteger(L, 2);
  lua_rawset(L, 1);
  return 1;
}

static lua_State *open_state(void) {
  lua_State *L = bare_state(luaL_newstate());
  luaL_openlibs(L);
  luaL_requiref(L, "luapool.error.core", luaopen_luapool_error_core, 0);
  lua_pop(L, 1);
  lua_pushcfunction(L, prepare);
  if (lua_pcall(L, 0, 1, 0) || luaL_dostring(L, SAME)) abort();
  return L;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  static unsigned runs;
  static lp_buf out;
  if (!L) L = open_state();
  if (size < 1) return 0;
  out.len = 0;
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, round_trip, 1);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, (void *)(data + 1));
  lua_pushinteger(L, (lua_Integer)size - 1);
  lua_pushlightuserdata(L, &out);
  lua_pushboolean(L, *data & 1);
  if (lua_pcall(L, 5, 0, 0) != LUA_OK) {
    const char *kind = lp_raise_kind(L, -1);
    if (!kind) abort();
  }
  lua_settop(L, 2);
  if (++runs % 256 == 0) lua_gc(L, LUA_GCCOLLECT);
  return 0;
}
