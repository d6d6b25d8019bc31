/* bindings/socket/dns.h: socket.dns of the LuaSocket door. Layer: bindings. */
#ifndef LPB_SOCKET_DNS_H
#define LPB_SOCKET_DNS_H

#include <lauxlib.h>

/* Functions of socket.dns. */
extern const luaL_Reg lpb_socket_dns_functions[];

#endif
