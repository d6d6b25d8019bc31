/* bindings/sync/holder.h: a task as one that may hold something. Layer: bindings. */
#ifndef LPB_SYNC_HOLDER_H
#define LPB_SYNC_HOLDER_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_sync_holder_functions[];

/* Makes the table of holders. */
void lpb_sync_holder_open(lua_State *L);

#endif
