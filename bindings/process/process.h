/* bindings/process/process.h: what takes the place of os.execute. Layer: bindings. */
#ifndef LP_BINDINGS_PROCESS_PROCESS_H
#define LP_BINDINGS_PROCESS_PROCESS_H

#include <lua.h>

/* os.execute([command]): the standard one, except that only the task waits; where Lua cannot
 * yield (in a finalizer, say) it blocks. A cancelled task kills the shell. */
int lpb_process_execute(lua_State *L);

#endif
