/* bindings/json/decode.h: JSON text to Lua values. Layer: bindings. */
#ifndef LPB_JSON_DECODE_H
#define LPB_JSON_DECODE_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_json_decode_functions[];

#endif
