/* bindings/process/keeper.h: the keeper of a runtime. Layer: bindings. */
#ifndef LPB_PROCESS_KEEPER_H
#define LPB_PROCESS_KEEPER_H

#include <lua.h>

#include "runtime/ipc/child.h"

/* The keeper of L's runtime, made at the first call; NULL for want of memory, and then
 * lp_child_start fails. */
lp_keeper *lpb_process_keeper(lua_State *L);

#endif
