/* bindings/class.c: classes of userdata. Layer: bindings. */
#include "bindings/class.h"

#include <stdbool.h>

void lpb_class_new(lua_State *L, const char *name, const luaL_Reg *functions) {
  luaL_newmetatable(L, name);
  lua_pushvalue(L, -1);
  luaL_setfuncs(L, functions, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
}

void *lpb_class_check(lua_State *L, const char *name) {
  bool ours = lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(1));
  if (!ours) luaL_typeerror(L, 1, name);
  lua_pop(L, 1);
  return lua_touserdata(L, 1);
}
