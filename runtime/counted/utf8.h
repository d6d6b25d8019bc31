/* counted/utf8.h: functions of `utf8` that count their steps. Layer: counted. */
#ifndef LP_COUNTED_UTF8_H
#define LP_COUNTED_UTF8_H

#include <lauxlib.h>

extern const luaL_Reg lp_utf8_functions[];

#endif
