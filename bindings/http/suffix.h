/* bindings/http/suffix.h: the list of public suffixes. Layer: bindings. */
#ifndef LPB_HTTP_SUFFIX_H
#define LPB_HTTP_SUFFIX_H

#include <lua.h>

/* core.suffix(domain) -> boolean. Anybody may register names below a public suffix ("com",
 * "co.uk"), so no cookie may be for all of them. */
int lpb_http_suffix(lua_State *L);

#endif
