/* bindings/process/process.h: programs run to their end, os.execute and io.popen. Layer:
 * bindings. */
#ifndef LPB_PROCESS_PROCESS_H
#define LPB_PROCESS_PROCESS_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_process_functions[];

/* os.execute([command]): the standard one, except that only the task waits; where Lua cannot
 * yield (in a finalizer, say) it blocks. A cancelled task kills the shell and what it runs. */
int lpb_process_execute(lua_State *L);

/* io.popen(command [, mode]): the standard one, which blocks, except that the shell and what it
 * runs do not outlive this process. */
int lpb_process_popen(lua_State *L);

#endif
