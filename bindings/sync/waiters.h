/* bindings/sync/waiters.h: lines of waiting tasks. Layer: bindings. */
#ifndef LPB_SYNC_WAITERS_H
#define LPB_SYNC_WAITERS_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_sync_waiters_functions[];

/* Makes the class of lines. */
void lpb_sync_waiters_open(lua_State *L);

#endif
