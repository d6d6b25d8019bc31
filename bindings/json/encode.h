/* bindings/json/encode.h: Lua values to JSON text. Layer: bindings. */
#ifndef LPB_JSON_ENCODE_H
#define LPB_JSON_ENCODE_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_json_encode_functions[];

#endif
