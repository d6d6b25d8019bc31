/* bindings/http/allow.h: may a script make this request? Layer: bindings. */
#ifndef LPB_HTTP_ALLOW_H
#define LPB_HTTP_ALLOW_H

#include <lua.h>

/* Stack: the client, the method, the URL, the plan or nil, as lpb_http_request has them. Raises
 * kind `denied` when the URL, the proxy or a file that an option names is refused. Redirections
 * are requests of their own. The addresses of the hosts are judged when they are known: see
 * lpb_http_multi_judge. */
void lpb_http_allow(lua_State *L);

#endif
