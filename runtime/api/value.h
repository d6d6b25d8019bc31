/* api/value.h: plain Lua values in a struct that needs no lua.h. Layer: api. */
#ifndef LP_API_VALUE_H
#define LP_API_VALUE_H

#include <lua.h>

#include "runtime/luapool.h"

/* Returns the first that is of no type that can be passed, as LUAPOOL_OTHER is, or NULL. */
const luapool_value *lp_value_strange(const luapool_value *values, int n);

/* Pushes n values, of which none is strange. Raises for want of memory. */
void lp_value_push(lua_State *L, const luapool_value *values, int n);

/* Puts the value at `index` into *v. A string belongs to Lua: whoever calls keeps it alive. */
void lp_value_get(lua_State *L, int index, luapool_value *v);

#endif
