/* bindings/socket/address.h: a host and a port to addresses, and the names of a socket's two
 * ends. Layer: bindings. */
#ifndef LPB_SOCKET_ADDRESS_H
#define LPB_SOCKET_ADDRESS_H

#include "bindings/socket/socket.h"

/* Methods of all classes: getpeername and getsockname. */
extern const luaL_Reg lpb_socket_address_methods[];

/* Gets an array of `count` addresses, which is on top of the stack. */
typedef int lpb_socket_address_then(lua_State *L, lpb_socket *s,
                                    const struct sockaddr_in6 *addresses, int count);

/* Finds the addresses of a host and port (host NULL or "*": any address), waits if the host is
 * a name, and calls `then` with them. When there are none: nil and a message. Use it as `return
 * lpb_socket_address_resolve(...)`. */
int lpb_socket_address_resolve(lua_State *L, lpb_socket *s, const char *host, const char *port,
                               lpb_socket_address_then *then);

/* Sets the one numeric address of a host and port. Returns 0 or a code for lpb_socket_fail. */
int lpb_socket_address_numeric(const lpb_socket *s, const char *host, const char *port,
                               struct sockaddr_in6 *address);

/* The size of the struct that is really there: sockaddr_in or sockaddr_in6. */
socklen_t lpb_socket_address_size(const struct sockaddr_in6 *address);

#endif
