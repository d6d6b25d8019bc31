/* api/lua.h: whose Lua this library calls.
 *
 * The dynamic linker takes each function of Lua from the first library that has one of its
 * name. In a host that links LuaJIT, or another Lua, before luapool that is not liblua5.4: the
 * first call would crash. Layer: api. */
#ifndef LP_API_LUA_H
#define LP_API_LUA_H

/* Returns NULL when all functions come from one Lua 5.4, else the path of the library whose
 * functions have taken their place. Calls none of them before it is sure. */
const char *lp_lua_stranger(void);

#endif
