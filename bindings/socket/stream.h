/* bindings/socket/stream.h: sockets as luapool's own clients of protocols use them. Layer:
 * bindings. */
#ifndef LPB_SOCKET_STREAM_H
#define LPB_SOCKET_STREAM_H

#include <lauxlib.h>

/* Functions of the module luapool.socket.stream. */
extern const luaL_Reg lpb_socket_stream_functions[];

#endif
