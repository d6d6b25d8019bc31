/* The counted functions against the standard ones: random calls, which are made in
 * tests/support/counted.lua. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "runtime/api/api.h"
#include "runtime/counted/counted.h"
#include "tests/support/clean.h"

enum { ROUNDS = 300 };

/* Pushes a copy of the library with our functions. */
static void push_counted(lua_State *L, const char *library) {
  lua_newtable(L);
  lua_getglobal(L, library);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -6);
  }
  lua_pop(L, 1);
  lp_counted_replace(L, library);
}

/* Protected. `arg` is the seed. */
static int compare(lua_State *L) {
  static const char *const names[] = {LUA_STRLIBNAME, LUA_TABLIBNAME, LUA_UTF8LIBNAME,
                                      LUA_OSLIBNAME};
  lua_Integer seed = *(lua_Integer *)lua_touserdata(L, 1);
  if (luaL_loadfile(L, "tests/support/counted.lua") != LUA_OK) return lua_error(L);
  lua_newtable(L);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    push_counted(L, names[i]);
    lua_setfield(L, -2, names[i]);
  }
  lua_pushinteger(L, ROUNDS);
  lua_pushinteger(L, seed);
  lua_call(L, 3, 0);
  return 0;
}

/* The same calls each time, and others each time. */
static void check(lua_Integer seed) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  luapool *rt;
  assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
  lua_State *L = rt->state.L;
  lua_pushcfunction(L, compare);
  lua_pushlightuserdata(L, &seed);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  assert_int_equal(luapool_close(rt), LUAPOOL_OK);
}

static void test_same(void **state) {
  (void)state;
  clean_skip_under_tsan();
  check(1);
}

static void test_other(void **state) {
  (void)state;
  clean_skip_under_tsan();
  check((lua_Integer)time(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same),
      cmocka_unit_test(test_other),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
