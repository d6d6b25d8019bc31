/* bindings/http/open.c: luapool.http.core: clients, and the classes of what a request returns.
 * scripts/luapool/http.lua stands on it. Layer: bindings. */
#include <lauxlib.h>

#include "bindings/bindings.h"
#include "bindings/class.h"
#include "bindings/http/client.h"
#include "bindings/http/address.h"
#include "bindings/http/gzip.h"
#include "bindings/http/origin.h"
#include "bindings/http/request.h"
#include "bindings/http/source.h"
#include "bindings/http/stream.h"
#include "bindings/http/suffix.h"
#include "runtime/loop/object.h"
#include "runtime/wire/wire.h"

/* client(limit, limit_per_host) -> client; limit_per_host 0: as many as limit. */
static int http_client(lua_State *L) {
  int limit = (int)luaL_checkinteger(L, 1), per_host = (int)luaL_checkinteger(L, 2);
  lpb_http_client *c = lp_object_new(L, sizeof *c, 1);
  lpb_http_client_open(c, limit, per_host);
  luaL_setmetatable(L, LPB_HTTP_CLIENT);
  return 1;
}

/* client:close(). Ends all requests that are under way; safe twice. */
static int client_close(lua_State *L) {
  lpb_http_client_close(lpb_class_check(L, LPB_HTTP_CLIENT));
  return 0;
}

/* client:keep(plan). The plan never changes: its options stay set from one GET to the next. */
static int client_keep(lua_State *L) {
  lpb_class_check(L, LPB_HTTP_CLIENT);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

static void set_count(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static lua_Integer queued(const lpb_http_client *c) {
  lua_Integer n = 0;
  lp_list_each (link, &c->transfers)
    n += lp_list_of(link, lpb_http_transfer, all)->stage == LPB_HTTP_QUEUED;
  return n;
}

/* client:stats() -> a new table: see Client:stats in Lua. */
static int client_stats(lua_State *L) {
  const lpb_http_client *c = lpb_class_check(L, LPB_HTTP_CLIENT);
  const lpb_http_client_counts *n = &c->counts;
  lua_createtable(L, 0, 8);
  set_count(L, "requests", n->requests);
  set_count(L, "failed", n->failed);
  set_count(L, "connections", n->connections);
  set_count(L, "sent", n->sent);
  set_count(L, "received", n->received);
  set_count(L, "running", (uint64_t)c->running);
  set_count(L, "queued", (uint64_t)queued(c));
  lua_newtable(L);
  for (int status = 0; status < LPB_HTTP_STATUSES; status++) {
    if (!n->statuses[status]) continue;
    lua_pushinteger(L, n->statuses[status]);
    lua_rawseti(L, -2, status);
  }
  lua_setfield(L, -2, "statuses");
  return 1;
}

/* Makes a class whose methods are written in Lua, and names it, so that its objects may travel.
 */
static void open_travelling(lua_State *L, const char *field, const char *name) {
  luaL_newmetatable(L, name);
  lp_wire_name(L, -1, name);
  lua_setfield(L, -2, field);
}

/* The collector begins anew when what lives has doubled, which bodies make it do very often
 * where little lives. This lives, too; as nobody touches it, it takes no memory. Where there is
 * a ceiling of memory it would count. */
static void add_ballast(lua_State *L) {
  enum { BALLAST = 2 << 20 };
  if (lp_state_of(L)->heap.limit) return;
  lua_newuserdatauv(L, BALLAST, 0);
  lua_setfield(L, LUA_REGISTRYINDEX, "luapool.http.core.ballast");
}

int luaopen_luapool_http_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"client", http_client},
                                       {"origin", lpb_http_origin},
                                       {"suffix", lpb_http_suffix},
                                       {"source_new", lpb_http_source_new},
                                       {"gzip_new", lpb_http_gzip_new},
                                       {"is_public", lpb_http_address_is_public},
                                       {"within", lpb_http_address_within},
                                       {NULL, NULL}};
  static const luaL_Reg client_methods[] = {{"close", client_close},   {"keep", client_keep},
                                            {"stats", client_stats},   {"__gc", client_close},
                                            {"__close", client_close}, {NULL, NULL}};
  add_ballast(L);
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
