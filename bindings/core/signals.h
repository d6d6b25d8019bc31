/* bindings/core/signals.h: signals for the program. Layer: bindings. */
#ifndef LPB_CORE_SIGNALS_H
#define LPB_CORE_SIGNALS_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_core_signals_functions[];

/* Makes the class of what waits for signals. */
void lpb_core_signals_open(lua_State *L);

#endif
