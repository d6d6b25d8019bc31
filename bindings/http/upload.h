/* bindings/http/upload.h: the fields of a plan that are the body of a request. Layer: bindings.
 */
#ifndef LPB_HTTP_UPLOAD_H
#define LPB_HTTP_UPLOAD_H

#include <lua.h>

#include "bindings/http/transfer.h"

/* Each sets the body of a transfer to the value on top of the stack, and leaves the value
 * there. They run protected, as rows of options.c. */

/* A string. It must stay where it is while the request runs, unless the response is a stream.
 */
CURLcode lpb_http_upload_set_text(lua_State *L, lpb_http_transfer *t, CURLoption id);

/* The path of a regular file, which is read while it is sent. */
CURLcode lpb_http_upload_set_file(lua_State *L, lpb_http_transfer *t, CURLoption id);

/* The length of what a source gives, when it is known. It comes before the source. */
CURLcode lpb_http_upload_set_length(lua_State *L, lpb_http_transfer *t, CURLoption id);

/* A source (source.h), which is sent in chunks when its length is not known. */
CURLcode lpb_http_upload_set_source(lua_State *L, lpb_http_transfer *t, CURLoption id);

/* A list of the parts of a form. */
CURLcode lpb_http_upload_set_parts(lua_State *L, lpb_http_transfer *t, CURLoption id);

#endif
