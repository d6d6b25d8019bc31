/* bindings/task/task.h: tasks, promises, sleeping, and waiting for one task. Layer: bindings.
 */
#ifndef LPB_TASK_TASK_H
#define LPB_TASK_TASK_H

#include <lauxlib.h>

#include "runtime/loop/task.h"

/* Functions of the module. */
extern const luaL_Reg lpb_task_functions[];

/* Methods of Task. */
extern const luaL_Reg lpb_task_methods[];

/* The Task at 1, which `method` was called on. Raises when it is none. */
lp_task *lpb_task_self(lua_State *L, const char *method);

#endif
