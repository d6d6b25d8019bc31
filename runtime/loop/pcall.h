/* loop/pcall.h: protected calls through which waits and slices pass: pcall and xpcall of
 * scripts, and lp_pcall for C. Whoever catches the error of a cancellation with them may not
 * wait again after it. Layer: loop. */
#ifndef LP_LOOP_PCALL_H
#define LP_LOOP_PCALL_H

#include <lua.h>
#include <stdbool.h>

/* Puts luapool's functions in place of the standard ones in the globals of L. */
void lp_pcall_open(lua_State *L);

/* Calls as lua_pcallk does, for C functions that a wait or a slice may suspend below the call:
 * then `k` goes on with `context` and LUA_YIELD. When `k` is NULL nothing is suspended below.
 * Raises when the stack is full. */
int lp_pcall(lua_State *L, int nargs, int nresults, lua_KFunction k, lua_KContext context);

/* True when this frame of `co`, of the C function `f`, is such a call: it is never what keeps a
 * wait from passing. */
bool lp_pcall_is_frame(lua_State *co, const lua_Debug *frame, lua_CFunction f);

#endif
