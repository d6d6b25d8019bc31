/* api/modules.h: the modules that every state of luapool has: the C ones and the Lua half.
 * Layer: api. */
#ifndef LP_API_MODULES_H
#define LP_API_MODULES_H

#include <lua.h>

/* Makes luapool's modules known to require, and puts luapool's own require in place. A
 * lua_CFunction without arguments and results, for lp_state_open. */
int lp_modules_open(lua_State *L);

#endif
