/* api/value.h: plain Lua values in a struct that needs no lua.h. Layer: api. */
#ifndef LP_API_VALUE_H
#define LP_API_VALUE_H

#include <lua.h>

#include "runtime/luapool.h"

/* Pushes n values. Raises for want of memory, and for a type that is none of luapool.h. */
void lp_value_push(lua_State *L, const luapool_value *values, int n);

/* Puts the value at `index` into *v. A string belongs to Lua: whoever calls keeps it alive. */
void lp_value_get(lua_State *L, int index, luapool_value *v);

#endif
