/* bindings/tls/connection.h: what scripts do with a connection over TLS. Layer: bindings. */
#ifndef LPB_TLS_CONNECTION_H
#define LPB_TLS_CONNECTION_H

#include <lauxlib.h>

/* The function that wraps a socket, and the methods beside those of a client of TCP. */
extern const luaL_Reg lpb_tls_connection_functions[];
extern const luaL_Reg lpb_tls_connection_methods[];

#endif
