/* bindings/http/request.h: the function that makes a request. Layer: bindings. */
#ifndef LPB_HTTP_REQUEST_H
#define LPB_HTTP_REQUEST_H

#include <lua.h>

/* core.request(client, method, url [, plan]) -> Response [, redirected [, cookies]].
 * `redirected` says that the response is a redirection that is to be followed; it has no body
 * then. `cookies` has the values of the Set-Cookie headers, each with its line end. A closure
 * of two values: the class of clients and the class of Responses. */
int lpb_http_request(lua_State *L);

#endif
