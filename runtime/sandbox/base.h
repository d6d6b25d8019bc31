/* sandbox/base.h: the global functions of an environment. Layer: sandbox. */
#ifndef LP_SANDBOX_BASE_H
#define LP_SANDBOX_BASE_H

#include <lua.h>

/* Pushes the table of global functions, but `require`; it is not to be changed. The frozen
 * library `string` is at `strings`. They hold nothing of an environment, so one set serves all.
 */
void lp_base_push(lua_State *L, int strings);

/* Raises unless the function on top can be called in the frame of one that holds it: it is in C
 * and has no upvalues of its own. */
void lp_base_check_plain(lua_State *L);

#endif
