/* bindings/digest/encoding.h: bytes as hexadecimal digits and as Base64. Layer: bindings. */
#ifndef LPB_DIGEST_ENCODING_H
#define LPB_DIGEST_ENCODING_H

#include <lauxlib.h>

/* Functions of the module. */
extern const luaL_Reg lpb_digest_encoding_functions[];

#endif
