/* loop/coroutine.h: coroutines of scripts that may wait.
 *
 * coroutine.*, pcall and xpcall (pcall.h) are luapool's own. A wait or a time slice inside a
 * coroutine that the script made suspends each level up to the task; when the task is resumed,
 * each level resumes the one below. Only coroutine.yield is seen by the script. Layer: loop. */
#ifndef LP_LOOP_COROUTINE_H
#define LP_LOOP_COROUTINE_H

#include <lua.h>
#include <stdbool.h>

/* Puts luapool's functions in place of the standard ones in the globals of L. */
void lp_coroutine_open(lua_State *L);

/* True when L, the running coroutine, and every level that resumed it may be suspended. One
 * that a C library resumes may not: it would be taken for one that has yielded. */
bool lp_coroutine_suspendable(lua_State *L);

/* Returns the value on top of the stack from a metamethod of L that may be suspended, by way of
 * the task, which goes on at once. Use it as `return lp_coroutine_again(L)`. It is for
 * __concat: Lua 5.4.4 goes on with an old stack, which may have been freed, when the stack has
 * grown while a metamethod was called, but not when the metamethod has yielded. */
int lp_coroutine_again(lua_State *L);

/* Pushes the reason why L may not be suspended, for an error message. */
void lp_coroutine_push_obstacle(lua_State *L);

/* The coroutine that `co`, which is suspended by a wait or a slice, has resumed and that was
 * suspended with it; NULL when there is none. */
lua_State *lp_coroutine_resumed(lua_State *co);

/* Marks a coroutine as suspended by a wait or a slice: it belongs to its task. */
void lp_coroutine_mark(lua_State *co, bool suspended);

#endif
