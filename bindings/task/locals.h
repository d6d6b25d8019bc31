/* bindings/task/locals.h: task.locals. Layer: bindings. */
#ifndef LPB_TASK_LOCALS_H
#define LPB_TASK_LOCALS_H

#include <lua.h>

/* Pushes the table task.locals. */
void lpb_task_locals_push(lua_State *L);

#endif
