/* support/foreign.c: a Lua module in C that resumes and yields by itself, as libraries do that
 * know nothing of tasks. */
#include <lauxlib.h>

int luaopen_foreign(lua_State *L);

/* foreign.resume(co) -> its status: 0, 1 when it has yielded, else an error code. */
static int foreign_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "thread");
  int count, nargs = lua_status(co) == LUA_OK ? lua_gettop(co) - 1 : 0;
  int status = lua_resume(co, L, nargs, &count);
  lua_pushinteger(L, status);
  return 1;
}

/* foreign.yield(): out of whichever coroutine runs. */
static int foreign_yield(lua_State *L) {
  return lua_yield(L, 0);
}

int luaopen_foreign(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"resume", foreign_resume}, {"yield", foreign_yield}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
