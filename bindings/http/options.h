/* bindings/http/options.h: the options of one request are handed to curl.
 *
 * scripts/luapool/internal/http/plan.lua has checked what the user gave and made a plain table
 * of it, the plan. Each row of the table in options.c is a field of the plan. Layer: bindings.
 */
#ifndef LPB_HTTP_OPTIONS_H
#define LPB_HTTP_OPTIONS_H

#include <lua.h>

#include "bindings/http/transfer.h"

/* Sets the method and the plan, which is the table at stack index `plan` (0: none), on a
 * transfer. With `keep`, the plan is one of which the client has but one: a GET with it leaves
 * the transfer as it is, for the next one. Returns NULL, or a static text that says what
 * failed. It never raises. The plan must stay on the stack while the request runs, because its
 * body is not copied. */
const char *lpb_http_options_set(lua_State *L, lpb_http_transfer *t, const char *method,
                                 int plan, bool keep);

#endif
