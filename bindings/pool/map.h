/* bindings/pool/map.h: maps over a pool. Layer: bindings. Process: main. */
#ifndef LPB_POOL_MAP_H
#define LPB_POOL_MAP_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_pool_map_functions[];

/* Makes the class of maps. */
void lpb_pool_map_open(lua_State *L);

#endif
