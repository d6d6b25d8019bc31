/* bindings/sync/remote.h: what workers ask of objects that stay with main. Layer: bindings.
 * Process: main. */
#ifndef LPB_SYNC_REMOTE_H
#define LPB_SYNC_REMOTE_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_sync_remote_functions[];

/* Makes the class that stands for a worker. */
void lpb_sync_remote_open(lua_State *L);

#endif
