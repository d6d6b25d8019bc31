/* bindings/task/list.h: lists of tasks: checked, made, waited for, their results. Layer:
 * bindings. */
#ifndef LPB_TASK_LIST_H
#define LPB_TASK_LIST_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_task_list_functions[];

#endif
