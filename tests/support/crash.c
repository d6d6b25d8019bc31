/* support/crash.c: a Lua module in C with a bug, for tests of what becomes of a worker that has
 * one. Built without sanitizers, which would see it coming: the processor does. */
#include <lauxlib.h>

int luaopen_crash(lua_State *L);

/* crash.now(). Writes where no memory is. The compiler cannot know the address, so the store
 * stays. */
static int crash_now(lua_State *L) {
  static int *volatile nowhere;
  *nowhere = 1;
  lua_pushboolean(L, 1);
  return 1;
}

int luaopen_crash(lua_State *L) {
  static const luaL_Reg functions[] = {{"now", crash_now}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
