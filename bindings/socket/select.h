/* bindings/socket/select.h: socket.select of the LuaSocket door. Layer: bindings. */
#ifndef LPB_SOCKET_SELECT_H
#define LPB_SOCKET_SELECT_H

#include <lauxlib.h>

/* The function socket.select. */
extern const luaL_Reg lpb_socket_select_functions[];

#endif
