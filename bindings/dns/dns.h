/* bindings/dns/dns.h: the one way to look names up, for luapool.dns and for LuaSocket's dns.
 * Threads of libuv do the work. Layer: bindings. */
#ifndef LPB_DNS_DNS_H
#define LPB_DNS_DNS_H

#include <lua.h>
#include <netdb.h>

/* Pushes what has become of the look-up of `name`, and returns the number of results; may
 * raise. `status` is 0, or a negative code of libuv (UV_EAI_NONAME, ...) and then `list` is
 * NULL. */
typedef int lpb_dns_push(lua_State *L, const char *name, int status,
                         const struct addrinfo *list);

/* Looks up `name`, a string that stays on L's stack, and waits; `service` may be NULL. Use it
 * as `return lpb_dns_await(...)`. `push` may wait for something else in turn. */
int lpb_dns_await(lua_State *L, const char *name, const char *service,
                  const struct addrinfo *hints, lpb_dns_push *push);

/* Pushes an address without its port: "127.0.0.1", "::1". */
void lpb_dns_push_address(lua_State *L, const struct sockaddr *address);

#endif
