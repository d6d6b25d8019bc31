/* loop/dump.h: what every task of a process waits for, since when, and where. For SIGUSR2, and
 * for a run that nothing can wake any more. Layer: loop. */
#ifndef LP_LOOP_DUMP_H
#define LP_LOOP_DUMP_H

#include <lua.h>

/* Pushes a text of whole lines: a line and a stack for each task but the current one and those
 * in a wait whose class is `internal`. Raises for want of memory. */
void lp_dump_push(lua_State *L);

#endif
