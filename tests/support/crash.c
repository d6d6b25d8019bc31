/* support/crash.c: a Lua module in C that does to a worker what bad libraries do, for tests of
 * what becomes of it. Built without sanitizers, which would see it coming: the processor does.
 */
#include <lauxlib.h>
#include <unistd.h>

int luaopen_crash(lua_State *L);

/* crash.now(). Writes where no memory is. The compiler cannot know the address, so the store
 * stays. */
static int crash_now(lua_State *L) {
  static int *volatile nowhere;
  *nowhere = 1;
  lua_pushboolean(L, 1);
  return 1;
}

/* crash.fork() -> pid. A child that keeps all that is open here, for a minute. */
static int crash_fork(lua_State *L) {
  pid_t pid = fork();
  if (pid == 0) _exit((int)sleep(60));
  lua_pushinteger(L, pid);
  return 1;
}

int luaopen_crash(lua_State *L) {
  static const luaL_Reg functions[] = {{"now", crash_now}, {"fork", crash_fork}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
