/* bindings/http/result.h: pushes what has become of a request: a Response or an error object.
 * Layer: bindings. */
#ifndef LPB_HTTP_RESULT_H
#define LPB_HTTP_RESULT_H

#include <lua.h>

#include "bindings/http/transfer.h"

/* True when the transfer has failed, by itself or because it was stopped with `status`. */
bool lpb_http_result_failed(const lpb_http_transfer *t, int status);

/* Pushes the Response, still without its class, of a transfer that has ended or of a stream
 * whose header is complete. The URL that was asked for is at stack index `url`. */
void lpb_http_result_push(lua_State *L, lpb_http_transfer *t, int url);

/* Pushes "GET http://...", and returns it: the URL is cut where it is too long for a message.
 */
const char *lpb_http_result_push_what(lua_State *L, const char *method, const char *url,
                                      size_t len);

/* Pushes the error object of a transfer that has failed. */
void lpb_http_result_push_error(lua_State *L, lpb_http_transfer *t, int status);

#endif
