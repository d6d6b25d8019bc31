/* bindings/class.h: classes of userdata. Layer: bindings. */
#ifndef LP_BINDINGS_CLASS_H
#define LP_BINDINGS_CLASS_H

#include <lauxlib.h>

/* Makes the metatable `name` with these functions, methods and metamethods alike, and pushes
 * it. Objects find their methods in it. */
void lpb_class_new(lua_State *L, const char *name, const luaL_Reg *functions);

#endif
