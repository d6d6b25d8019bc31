/* bindings/dns/open.c: luapool.dns looks names up. Layer: bindings. */
#include <lauxlib.h>
#include <uv.h>

#include "bindings/bindings.h"
#include "bindings/dns/dns.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static int push_list(lua_State *L, const char *name, const lpb_dns_answer *answer) {
  if (answer->status < 0) {
    lp_raise_push(L, "dns", "cannot look up '%s': %s", name,
                  lpb_dns_answer_text(answer->status));
    lua_pushstring(L, name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, uv_err_name(answer->status));
    lua_setfield(L, -2, "code");
    return lua_error(L);
  }
  lua_createtable(L, answer->count, 0);
  for (int i = 0; i < answer->count; i++) {
    lpb_dns_push_address(L, &answer->addresses[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* Names to addresses, as /etc/hosts and the DNS servers of /etc/resolv.conf have them. A
 * look-up that no server answers ends after 10 s (`options timeout:` and `attempts:` change
 * that) and holds up no other one. What was found is remembered for its time to live; what does
 * not exist, for 5 s.
 *
 * ```lua
 * print(#dns.lookup "127.0.0.1") --> 1
 * ```
 * @page dns
 * @kind dns the name cannot be looked up; fields `name` and `code` ("EAI_NONAME": there is no
 * such name; "EAI_AGAIN": no server answered) */

/* Looks up the addresses of a name, the best first. International names are UTF-8.
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
  return lpb_dns_await(L, name, LPB_DNS_ANY, push_list);
}

int luaopen_luapool_dns(lua_State *L) {
  static const luaL_Reg functions[] = {{"lookup", dns_lookup}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
