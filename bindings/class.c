/* bindings/class.c: classes of userdata. Layer: bindings. */
#include "bindings/class.h"

void lpb_class_new(lua_State *L, const char *name, const luaL_Reg *functions) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, functions, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
}
