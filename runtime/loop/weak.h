/* loop/weak.h: tables with weak keys in the registry. Layer: loop. */
#ifndef LP_LOOP_WEAK_H
#define LP_LOOP_WEAK_H

#include <lua.h>

/* Pushes the table with weak keys that stands in the registry at the address `key`; the first
 * call makes it. */
void lp_weak_push(lua_State *L, const void *key);

#endif
