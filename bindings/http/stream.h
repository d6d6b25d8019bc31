/* bindings/http/stream.h: the body of a response, read piece by piece. Layer: bindings. */
#ifndef LPB_HTTP_STREAM_H
#define LPB_HTTP_STREAM_H

#include <lua.h>

#include "bindings/http/transfer.h"

/* Makes the class of streams. */
void lpb_http_stream_open(lua_State *L);

/* Pushes a stream that takes the transfer over. Its client, the userdata at stack index
 * `client`, lives at least as long. Raises, and takes nothing over, for want of memory. */
void lpb_http_stream_push(lua_State *L, lpb_http_transfer *t, int client);

#endif
