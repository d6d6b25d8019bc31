/* tests/lint/noreturn.h: included ahead of each file that clang-tidy looks at. Lua declares its
 * raising functions as returning int, so that `return luaL_error(...)` reads well; an analyzer
 * has to be told that nothing comes after them. */
#include <lauxlib.h>
#include <lua.h>

__attribute__((noreturn)) int lua_error(lua_State *L);
__attribute__((noreturn)) int luaL_error(lua_State *L, const char *format, ...);
__attribute__((noreturn)) int luaL_argerror(lua_State *L, int arg, const char *message);
__attribute__((noreturn)) int luaL_typeerror(lua_State *L, int arg, const char *name);
__attribute__((noreturn)) int lp_raise(lua_State *L, const char *kind, const char *message,
                                       ...);
__attribute__((noreturn)) int lp_raise_code(lua_State *L, int code, const char *what);
