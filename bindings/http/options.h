/* bindings/http/options.h: the options of one request, from Lua to curl.
 *
 * scripts/luapool/http.lua has checked what the user gave and made a plain table of it, the
 * plan: the rows of options.c are its fields. Layer: bindings. */
#ifndef LPB_HTTP_OPTIONS_H
#define LPB_HTTP_OPTIONS_H

#include <lua.h>

#include "bindings/http/transfer.h"

/* Sets the method and the plan (the table at `plan`, or 0) on a transfer. Returns NULL, or what
 * failed (static). Never raises. The plan must stay on the stack while the request runs: its
 * body is not copied. */
const char *lpb_http_options_set(lua_State *L, lpb_http_transfer *t, const char *method,
                                 int plan);

#endif
