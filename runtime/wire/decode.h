/* wire/decode.h: reads a graph. Layer: wire, private to it. */
#ifndef LP_WIRE_DECODE_H
#define LP_WIRE_DECODE_H

#include "runtime/wire/wire.h"

/* As lp_wire_decode. */
int lp_decode_values(lua_State *L, const lp_wire *w, const char *bytes, size_t len);

#endif
