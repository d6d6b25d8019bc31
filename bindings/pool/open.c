/* bindings/pool/open.c: luapool.pool.core: pools, their calls and their maps. Layer: bindings.
 * Process: main. */
#include "bindings/bindings.h"
#include "bindings/pool/call.h"
#include "bindings/pool/map.h"
#include "bindings/pool/pool.h"

int luaopen_luapool_pool_core(lua_State *L) {
  lpb_pool_open(L);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, lpb_pool_call_methods, 0);
  lpb_pool_map_open(L);
  lua_newtable(L);
  luaL_setfuncs(L, lpb_pool_functions, 0);
  luaL_setfuncs(L, lpb_pool_map_functions, 0);
  return 1;
}
