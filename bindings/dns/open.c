/* bindings/dns/open.c: luapool.dns looks names up. Layer: bindings. */
#include <lauxlib.h>
#include <uv.h>

#include "bindings/bindings.h"
#include "bindings/dns/dns.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static int push_list(lua_State *L, const char *name, int status, const struct addrinfo *list) {
  if (status < 0) {
    lp_raise_push(L, "dns", "cannot look up '%s': %s", name, uv_strerror(status));
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, uv_err_name(status));
    lua_setfield(L, -2, "code");
    return lua_error(L);
  }
  lua_newtable(L);
  for (lua_Integer i = 1; list; i++, list = list->ai_next) {
    lpb_dns_push_address(L, list->ai_addr);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* Names to addresses, by the resolver of the system. The call waits on libuv's threads.
 *
 * ```lua
 * print(#dns.lookup "127.0.0.1") --> 1
 * ```
 * @page dns
 * @kind dns the name cannot be looked up; fields `name` and `code` ("EAI_NONAME") */

/* Looks up the addresses of a name, the best first.
 *
 * ```lua
 * local addresses = dns.lookup "localhost"
 * assert(addresses[1] == "127.0.0.1" or addresses[1] == "::1")
 * print(select(2, pcall(dns.lookup, "no-such-host.invalid")).kind) --> dns
 * ```
 * @function dns.lookup
 * @async
 * @param name string
 * @return string[] addresses such as "127.0.0.1" and "::1"
 * @raises dns fields `name` and `code` ("EAI_NONAME") */
static int dns_lookup(lua_State *L) {
  const char *name = lp_usage_string(L, 1, "dns.lookup", NULL);
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  return lpb_dns_await(L, name, NULL, &hints, push_list);
}

int luaopen_luapool_dns(lua_State *L) {
  static const luaL_Reg functions[] = {{"lookup", dns_lookup}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
