/* bindings/core/watchdog.h: ends a process that does not come back in time. Layer: bindings. */
#ifndef LPB_CORE_WATCHDOG_H
#define LPB_CORE_WATCHDOG_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_core_watchdog_functions[];

/* Makes the class of watchdogs. */
void lpb_core_watchdog_open(lua_State *L);

#endif
