/* bindings/task/set.h: a set of tasks whose ends are taken out one at a time. Layer: bindings.
 */
#ifndef LPB_TASK_SET_H
#define LPB_TASK_SET_H

#include <lauxlib.h>

/* Makes the class of sets. */
void lpb_task_set_open(lua_State *L);

/* Functions of the module. */
extern const luaL_Reg lpb_task_set_functions[];

#endif
