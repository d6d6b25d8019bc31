/* bindings/socket/unix.h: servers on Unix sockets, descriptors that travel over them, datagrams
 * to one. Layer: bindings. */
#ifndef LPB_SOCKET_UNIX_H
#define LPB_SOCKET_UNIX_H

#include <lauxlib.h>

/* Functions of luapool.socket.stream. */
extern const luaL_Reg lpb_socket_unix_functions[];

#endif
