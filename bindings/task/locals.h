/* bindings/task/locals.h: task.locals. Layer: bindings. */
#ifndef LP_BINDINGS_TASK_LOCALS_H
#define LP_BINDINGS_TASK_LOCALS_H

#include <lua.h>

/* Pushes the table task.locals. */
void lpb_task_locals_push(lua_State *L);

#endif
