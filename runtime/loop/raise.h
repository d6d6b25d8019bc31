/* loop/raise.h: the error objects that scripts see.
 *
 * An error object is a table with the metatable "luapool.error": `kind`, `message`, and fields
 * listed with its kind. Every function here takes a lua_State: it may raise. Layer: loop. */
#ifndef LP_LOOP_RAISE_H
#define LP_LOOP_RAISE_H

#include <lua.h>

/* Pushes a new error object; `message` as for lua_pushfstring. The position of the calling Lua
 * function is put before the message when there is one. */
void lp_raise_push(lua_State *L, const char *kind, const char *message, ...);

/* Pushes one and raises it. Never returns. */
int lp_raise(lua_State *L, const char *kind, const char *message, ...);

/* Raises the error of a negative code: "<what>: <text of the code>"; `what` may be NULL. */
int lp_raise_code(lua_State *L, int code, const char *what);

/* The kind of the error object at `index`, or NULL when it is none (then nothing is pushed). */
const char *lp_raise_kind(lua_State *L, int index);

/* Adds to the error at `index`, when it is the text of Lua about a global that is nil, that
 * globals do not travel: in a worker, the global may well be set in main. */
void lp_raise_explain(lua_State *L, int index);

/* The C half of luapool.error: new, is, class (the metatable of error objects). */
int luaopen_luapool_error_core(lua_State *L);

#endif
