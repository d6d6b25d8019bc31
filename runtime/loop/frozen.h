/* loop/frozen.h: tables that scripts can read and cannot change.
 *
 * Lua has no such tables. A frozen table is an empty one whose metatable finds each field in a
 * hidden copy of the original, so reading a field costs one more look-up and no call. Writing
 * raises kind `denied`; rawset and setmetatable of ours refuse it too. Tables in the fields are
 * frozen as well, except those with a metatable: they are objects and guard themselves. All
 * environments share one frozen table of each original. Layer: loop. Owner: the Lua state. */
#ifndef LP_LOOP_FROZEN_H
#define LP_LOOP_FROZEN_H

#include <lua.h>
#include <stdbool.h>

/* Pushes the frozen table of the one at `index`, the same one each time. Fields that the
 * original gets later are not seen, except those that its metatable finds. */
void lp_frozen_push(lua_State *L, int index);

/* Pushes a new one, with the name of a module for errors, that nobody else gets; it reads the
 * table on top, which is popped, and which nobody may change any more. */
void lp_frozen_wrap(lua_State *L);

/* When the value at `index` is a frozen table: pushes the hidden copy and returns true. Scripts
 * never see that one. */
bool lp_frozen_open(lua_State *L, int index);

/* Raises kind `denied` when the value at `index` is a frozen table. */
void lp_frozen_check(lua_State *L, int index);

/* The same when it is an object of luapool, whose class all environments share. */
void lp_frozen_check_own(lua_State *L, int index);

/* When the value at `index` is an object of luapool: pushes the name of its class and returns
 * true. */
bool lp_frozen_class(lua_State *L, int index);

#endif
