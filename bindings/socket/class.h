/* bindings/socket/class.h: the objects that scripts hold: userdata of six classes. A class is
 * a metatable, and an object changes it as LuaSocket's do: a master becomes a client or a
 * server. Layer: bindings. */
#ifndef LPB_SOCKET_CLASS_H
#define LPB_SOCKET_CLASS_H

#include "bindings/socket/socket.h"

#define LPB_SOCKET_CLIENT      "tcp{client}"
/* A client whose bytes a layer carries. The module of TLS makes this class. */
#define LPB_SOCKET_TLS         "SSL:Connection"
#define LPB_SOCKET_SERVER      "tcp{server}"
#define LPB_SOCKET_MASTER      "tcp{master}"
#define LPB_SOCKET_CONNECTED   "udp{connected}"
#define LPB_SOCKET_UNCONNECTED "udp{unconnected}"

/* Methods of all classes. */
extern const luaL_Reg lpb_socket_class_methods[];

/* Makes the class and pushes its table of methods, which is still empty. */
void lpb_socket_class_new(lua_State *L, const char *class);

/* Pushes a new socket of the class, without a descriptor. */
lpb_socket *lpb_socket_class_push(lua_State *L, const char *class, int family, int type);

/* The same for a script: with a descriptor when the family is known. Returns the number of
 * results: the socket, or nil and a message. */
int lpb_socket_class_make(lua_State *L, const char *class, int family, int type);

/* Returns the socket at index 1, or NULL when it is not of the class. One of TLS is a client,
 * too. */
lpb_socket *lpb_socket_class_test(lua_State *L, const char *class);

/* Returns the socket at index 1; raises when it is not of the class. */
lpb_socket *lpb_socket_class_check(lua_State *L, const char *class);

/* Returns the socket of any class at `index`, or NULL. */
lpb_socket *lpb_socket_class_any(lua_State *L, int index);

/* The socket at index 1 is of this class from now on. */
void lpb_socket_class_become(lua_State *L, const char *class);

#endif
