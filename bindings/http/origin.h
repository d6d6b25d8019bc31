/* bindings/http/origin.h: what of a URL decides who may see credentials. Layer: bindings. */
#ifndef LPB_HTTP_ORIGIN_H
#define LPB_HTTP_ORIGIN_H

#include <lua.h>

/* core.origin(url) -> origin, host, path. The origin is "scheme://host:port", where the scheme
 * and the host stand in small letters; nil and a reason when the URL is none. */
int lpb_http_origin(lua_State *L);

#endif
