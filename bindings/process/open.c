/* bindings/process/open.c: luapool.process.core runs programs. Layer: bindings. */
#include "bindings/bindings.h"
#include "bindings/process/process.h"

int luaopen_luapool_process_core(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, lpb_process_functions, 0);
  return 1;
}
