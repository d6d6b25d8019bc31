/* bindings/socket/dns.h: socket.dns of the LuaSocket door. Layer: bindings. */
#ifndef LP_BINDINGS_SOCKET_DNS_H
#define LP_BINDINGS_SOCKET_DNS_H

#include <lauxlib.h>

/* Functions of socket.dns. */
extern const luaL_Reg lpb_socket_dns_functions[];

#endif
