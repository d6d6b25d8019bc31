/* bindings/task/task.h: tasks, promises, sleeping, and waiting for one task. Layer: bindings.
 */
#ifndef LPB_TASK_TASK_H
#define LPB_TASK_TASK_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_task_functions[];

/* Methods of Task. */
extern const luaL_Reg lpb_task_methods[];

/* Returns the optional number of seconds at `arg`: -1 for none. Raises. */
double lpb_task_opt_timeout(lua_State *L, int arg);

#endif
