/* bindings/socket/udp.h: UDP of the LuaSocket door. Layer: bindings. */
#ifndef LPB_SOCKET_UDP_H
#define LPB_SOCKET_UDP_H

#include <lauxlib.h>

/* Functions of the module that make sockets. */
extern const luaL_Reg lpb_socket_udp_functions[];

/* Methods of the classes of UDP. */
extern const luaL_Reg lpb_socket_udp_methods[];

/* Bytes of a datagram that are kept unless more are asked for. */
enum { LPB_SOCKET_UDP_SIZE = 8192 };

#endif
