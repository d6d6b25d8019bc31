/* bindings/sync/ask.h: a worker asks main for the objects of luapool.sync. Layer: bindings. */
#ifndef LPB_SYNC_ASK_H
#define LPB_SYNC_ASK_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_sync_ask_functions[];

#endif
