/* bindings/task/task.h: what the files of luapool.task.core share. Layer: bindings. */
#ifndef LP_BINDINGS_TASK_TASK_H
#define LP_BINDINGS_TASK_TASK_H

#include <lua.h>

/* The optional number of seconds at `arg`: -1 for none. Raises. */
double lpb_task_opt_timeout(lua_State *L, int arg);

/* task_list.c: puts the functions of lists into the table on top. */
void lpb_task_open_list(lua_State *L);

/* task_set.c: the Lua function core.set, and its class. */
int lpb_task_set(lua_State *L);
void lpb_task_open_set(lua_State *L);

/* task_done.c: the method Task:on_done. */
int lpb_task_on_done(lua_State *L);

/* task_locals.c: the table task.locals, pushed. */
void lpb_task_push_locals(lua_State *L);

#endif
