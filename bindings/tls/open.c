/* bindings/tls/open.c: luapool.tls.core: which tables of functions make up the module, and the
 * class of connections. luapool.socket.core is loaded first; scripts can require neither.
 * OpenSSL sets itself up when the first context is made. Layer: bindings. */
#include "bindings/bindings.h"
#include "bindings/socket/address.h"
#include "bindings/socket/class.h"
#include "bindings/socket/option.h"
#include "bindings/socket/tcp.h"
#include "bindings/tls/certificate.h"
#include "bindings/tls/connection.h"
#include "bindings/tls/context.h"
#include "bindings/tls/option.h"

/* A connection is a client, without what makes a client of a socket. */
static void open_class(lua_State *L) {
  static const char *const others[] = {"connect", "setpeername", "bind",    "setsockname",
                                       "listen",  "accept",      "shutdown"};
  lpb_socket_class_new(L, LPB_SOCKET_TLS);
  luaL_setfuncs(L, lpb_socket_class_methods, 0);
  luaL_setfuncs(L, lpb_socket_address_methods, 0);
  luaL_setfuncs(L, lpb_socket_option_methods, 0);
  luaL_setfuncs(L, lpb_socket_tcp_methods, 0);
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    lua_pushnil(L);
    lua_setfield(L, -2, others[i]);
  }
  luaL_setfuncs(L, lpb_tls_connection_methods, 0);
  luaL_setfuncs(L, lpb_tls_certificate_methods, 0);
}

int luaopen_luapool_tls_core(lua_State *L) {
  lpb_tls_context_open(L);
  lpb_tls_certificate_open(L);
  lua_newtable(L);
  luaL_setfuncs(L, lpb_tls_context_functions, 0);
  luaL_setfuncs(L, lpb_tls_connection_functions, 0);
  luaL_setfuncs(L, lpb_tls_certificate_functions, 0);
  open_class(L);
  lua_setfield(L, -2, "methods");
  lpb_tls_option_push(L);
  lua_setfield(L, -3, "options");
  lua_setfield(L, -2, "protocols");
  return 1;
}
