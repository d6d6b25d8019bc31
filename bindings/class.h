/* bindings/class.h: classes of userdata.
 *
 * A method knows its class, the metatable, as its first upvalue: to compare it with the
 * object's costs less than luaL_checkudata, which looks the class up by its name. Methods stand
 * in a table of their own, so that no object leads to its class, which all share. Layer:
 * bindings. */
#ifndef LPB_CLASS_H
#define LPB_CLASS_H

#include <lauxlib.h>

/* Makes the metatable `name` with these functions, of which those that begin with "__" are
 * metamethods, and pushes it. Objects find the others, their methods, in its `__index`. */
void lpb_class_new(lua_State *L, const char *name, const luaL_Reg *functions);

/* Returns the object at index 1 of a method of its class, `name`; raises when the argument is
 * something else. */
void *lpb_class_check(lua_State *L, const char *name);

#endif
