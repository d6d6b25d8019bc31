/* counted/table.h: functions of `table` that count their steps. Layer: counted. */
#ifndef LP_COUNTED_TABLE_H
#define LP_COUNTED_TABLE_H

#include <lauxlib.h>

/* A luaL_Reg without values that are NULL; sort is in sort.c. */
extern const luaL_Reg lp_table_functions[];

#endif
