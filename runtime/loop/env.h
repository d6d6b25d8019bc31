/* loop/env.h: the globals of luapool's own scripts: a copy of the standard ones.
 *
 * It is made before any code of the user runs, so that a script which overwrites `pcall` or a
 * field of `table` does not break luapool. `package` and `_G` in it are the real ones, which
 * luapool changes on behalf of the user. Layer: loop. Owner: the Lua state. */
#ifndef LP_LOOP_ENV_H
#define LP_LOOP_ENV_H

#include <lua.h>

/* Makes the copy. Once, when a state is opened and its globals are as scripts find them. */
void lp_env_open(lua_State *L);

/* Pushes the copy, or the globals in a state that has none. */
void lp_env_push(lua_State *L);

/* Pushes what stands there under this name: also when a script has overwritten the global. */
void lp_env_get(lua_State *L, const char *name);

#endif
