/* bindings/class.c: classes of userdata. Layer: bindings. */
#include "bindings/class.h"

#include <stdbool.h>
#include <string.h>

void lpb_class_new(lua_State *L, const char *name, const luaL_Reg *functions) {
  luaL_newmetatable(L, name);
  lua_newtable(L);
  for (const luaL_Reg *f = functions; f->name; f++) {
    bool method = strncmp(f->name, "__", 2) != 0;
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, f->func, 1);
    lua_setfield(L, method ? -2 : -3, f->name);
  }
  lua_setfield(L, -2, "__index");
}

void *lpb_class_check(lua_State *L, const char *name) {
  bool ours = lua_getmetatable(L, 1) && lua_rawequal(L, -1, lua_upvalueindex(1));
  if (!ours) luaL_typeerror(L, 1, name);
  lua_pop(L, 1);
  return lua_touserdata(L, 1);
}
