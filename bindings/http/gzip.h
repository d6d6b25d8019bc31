/* bindings/http/gzip.h: the body of a request, compressed piece by piece. Layer: bindings. */
#ifndef LPB_HTTP_GZIP_H
#define LPB_HTTP_GZIP_H

#include <lua.h>

/* core.gzip_new() -> compressor, with the method push. */
int lpb_http_gzip_new(lua_State *L);

/* Makes the class of compressors. */
void lpb_http_gzip_open(lua_State *L);

#endif
