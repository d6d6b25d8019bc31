/* loop/dump.h: what every task of a process waits for, since when, and where. For SIGUSR2, and
 * for a run that nothing can wake any more. Layer: loop. */
#ifndef LP_LOOP_DUMP_H
#define LP_LOOP_DUMP_H

#include <lua.h>

/* Pushes a text of whole lines: a line and a stack for each task but the current one and those
 * in a wait whose class is `internal`. Raises for want of memory. */
void lp_dump_push(lua_State *L);

/* Pushes a list of those tasks that have not ended and are not cancelled, the oldest first:
 * {name=, place=, ours=, future=}. `place` is "file:line" of its function, nil for one in C;
 * `ours` tells that it is of luapool's scripts. Raises for want of memory. */
void lp_dump_push_alive(lua_State *L);

#endif
