/* bindings/http/open.c: luapool.http.core: clients, and the classes of what a request returns.
 * scripts/luapool/http.lua stands on it. Layer: bindings. */
#include <lauxlib.h>

#include "bindings/bindings.h"
#include "bindings/class.h"
#include "bindings/http/client.h"
#include "bindings/http/gzip.h"
#include "bindings/http/origin.h"
#include "bindings/http/request.h"
#include "bindings/http/source.h"
#include "bindings/http/stream.h"
#include "runtime/wire/wire.h"

/* client(limit, limit_per_host, cookies) -> client; limit_per_host 0: as many as limit. */
static int http_client(lua_State *L) {
  int limit = (int)luaL_checkinteger(L, 1), per_host = (int)luaL_checkinteger(L, 2);
  lpb_http_client *c = lua_newuserdatauv(L, sizeof *c, 0);
  lpb_http_client_open(c, limit, per_host, lua_toboolean(L, 3));
  luaL_setmetatable(L, LPB_HTTP_CLIENT);
  return 1;
}

/* client:close(). Ends all requests that are under way; safe twice. */
static int client_close(lua_State *L) {
  lpb_http_client_close(lpb_class_check(L, LPB_HTTP_CLIENT));
  return 0;
}

/* Makes a class whose methods are written in Lua, and names it, so that its objects may travel.
 */
static void open_travelling(lua_State *L, const char *field, const char *name) {
  luaL_newmetatable(L, name);
  lp_wire_name(L, -1, name);
  lua_setfield(L, -2, field);
}

int luaopen_luapool_http_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"client", http_client},
                                       {"origin", lpb_http_origin},
                                       {"source_new", lpb_http_source_new},
                                       {"gzip_new", lpb_http_gzip_new},
                                       {NULL, NULL}};
  static const luaL_Reg client_methods[] = {
      {"close", client_close}, {"__gc", client_close}, {"__close", client_close}, {NULL, NULL}};
  luaL_newlib(L, functions);
  lpb_http_stream_open(L);
  lpb_http_source_open(L);
  lpb_http_gzip_open(L);
  open_travelling(L, "Response", "luapool.http.Response");
  open_travelling(L, "Headers", "luapool.http.Headers");
  lua_pushliteral(L, LPB_HTTP_AGENT);
  lua_setfield(L, -2, "agent");
  lua_pushliteral(L, LPB_HTTP_ENCODINGS);
  lua_setfield(L, -2, "encodings");
  lpb_class_new(L, LPB_HTTP_CLIENT, client_methods);
  lua_getfield(L, -2, "Response");
  lua_pushcclosure(L, lpb_http_request, 2);
  lua_setfield(L, -2, "request");
  return 1;
}
