/* bindings/socket/tcp.h: TCP of the LuaSocket door. Layer: bindings. */
#ifndef LPB_SOCKET_TCP_H
#define LPB_SOCKET_TCP_H

#include "bindings/socket/socket.h"

/* Functions of the module that make sockets. */
extern const luaL_Reg lpb_socket_tcp_functions[];

/* Methods of the classes of TCP. */
extern const luaL_Reg lpb_socket_tcp_methods[];

/* Reads what there is behind the bytes that have come before, and at most so much. Returns 0 or
 * a code. */
int lpb_socket_tcp_fill(lpb_socket *s, size_t most);

/* Takes the first n bytes of those that have come and were not asked for. */
void lpb_socket_tcp_take(lpb_socket *s, size_t n);

/* A step: sends w->data from w->done on. */
int lpb_socket_tcp_send(lpb_socket *s, lpb_socket_want *w);

#endif
