/* counted/string.h: functions of `string` that count their steps. Layer: counted. */
#ifndef LP_COUNTED_STRING_H
#define LP_COUNTED_STRING_H

#include <lauxlib.h>

/* They are closures: upvalue 1 is the standard function of the same name. */
extern const luaL_Reg lp_string_functions[];

#endif
