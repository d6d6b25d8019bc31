/* bindings/task/shield.h: task.shield. Layer: bindings. */
#ifndef LPB_TASK_SHIELD_H
#define LPB_TASK_SHIELD_H

#include <lua.h>

/* Pushes the function task.shield. */
void lpb_task_shield_push(lua_State *L);

#endif
