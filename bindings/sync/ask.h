/* bindings/sync/ask.h: a worker asks main for the objects of luapool.sync. Layer: bindings. */
#ifndef LP_BINDINGS_SYNC_ASK_H
#define LP_BINDINGS_SYNC_ASK_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_sync_ask_functions[];

#endif
