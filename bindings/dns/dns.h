/* bindings/dns/dns.h: a task looks a name up, for luapool.dns and for LuaSocket's dns. Layer:
 * bindings. */
#ifndef LPB_DNS_DNS_H
#define LPB_DNS_DNS_H

#include <lua.h>

#include "bindings/dns/resolver.h"

/* Pushes what has become of the look-up of `name`, and returns the number of results; may
 * raise. The answer is valid until it returns or waits. */
typedef int lpb_dns_push(lua_State *L, const char *name, const lpb_dns_answer *answer);

/* Looks up `name`, a string that stays on L's stack, and waits. Use it as `return
 * lpb_dns_await(...)`. `push` may wait for something else in turn. */
int lpb_dns_await(lua_State *L, const char *name, lpb_dns_lookup_kind kind, lpb_dns_push *push);

/* Pushes an address without its port: "127.0.0.1", "::1". */
void lpb_dns_push_address(lua_State *L, const struct sockaddr_in6 *address);

#endif
