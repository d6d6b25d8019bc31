/* bindings/socket/tcp.h: TCP of the LuaSocket door. Layer: bindings. */
#ifndef LPB_SOCKET_TCP_H
#define LPB_SOCKET_TCP_H

#include <lauxlib.h>

/* Functions of the module that make sockets. */
extern const luaL_Reg lpb_socket_tcp_functions[];

/* Methods of the classes of TCP. */
extern const luaL_Reg lpb_socket_tcp_methods[];

#endif
