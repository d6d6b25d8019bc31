/* bindings/task/done.h: Task:on_done. Layer: bindings. */
#ifndef LPB_TASK_DONE_H
#define LPB_TASK_DONE_H

#include <lauxlib.h>

/* Methods of Task. */
extern const luaL_Reg lpb_task_done_methods[];

#endif
