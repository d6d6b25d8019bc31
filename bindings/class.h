/* bindings/class.h: classes of userdata.
 *
 * A method knows its class, the metatable, as its first upvalue: to compare it with the
 * object's costs less than luaL_checkudata, which looks the class up by its name. Layer:
 * bindings. */
#ifndef LPB_CLASS_H
#define LPB_CLASS_H

#include <lauxlib.h>

/* Makes the metatable `name` with these functions, methods and metamethods alike, and pushes
 * it. Objects find their methods in it. */
void lpb_class_new(lua_State *L, const char *name, const luaL_Reg *functions);

/* Returns the object at index 1 of a method of its class, `name`; raises when the argument is
 * something else. */
void *lpb_class_check(lua_State *L, const char *name);

#endif
