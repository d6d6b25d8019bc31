/* bindings/socket/open.c: luapool.socket.core and luapool.socket.stream: which tables of
 * functions make up the modules and the classes of sockets. Layer: bindings. */
#include <time.h>

#include "bindings/bindings.h"
#include "bindings/socket/address.h"
#include "bindings/socket/class.h"
#include "bindings/socket/dns.h"
#include "bindings/socket/option.h"
#include "bindings/socket/select.h"
#include "bindings/socket/stream.h"
#include "bindings/socket/tcp.h"
#include "bindings/socket/udp.h"
#include "bindings/socket/unix.h"

static void open_classes(lua_State *L) {
  static const struct {
    const char *name;
    const luaL_Reg *methods; /* besides those that all classes have */
  } classes[] = {{LPB_SOCKET_CLIENT, lpb_socket_tcp_methods},
                 {LPB_SOCKET_SERVER, lpb_socket_tcp_methods},
                 {LPB_SOCKET_MASTER, lpb_socket_tcp_methods},
                 {LPB_SOCKET_CONNECTED, lpb_socket_udp_methods},
                 {LPB_SOCKET_UNCONNECTED, lpb_socket_udp_methods}};
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
    lpb_socket_class_new(L, classes[i].name);
    luaL_setfuncs(L, lpb_socket_class_methods, 0);
    luaL_setfuncs(L, lpb_socket_address_methods, 0);
    luaL_setfuncs(L, lpb_socket_option_methods, 0);
    luaL_setfuncs(L, classes[i].methods, 0);
    lua_pop(L, 1);
  }
}

/* core.gettime() -> seconds since 1970. */
static int core_gettime(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  lua_pushnumber(L, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
  return 1;
}

int luaopen_luapool_socket_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"gettime", core_gettime}, {NULL, NULL}};
  open_classes(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lpb_socket_tcp_functions, 0);
  luaL_setfuncs(L, lpb_socket_udp_functions, 0);
  luaL_setfuncs(L, lpb_socket_select_functions, 0);
  lua_pushinteger(L, LPB_SOCKET_UDP_SIZE);
  lua_setfield(L, -2, "_DATAGRAMSIZE");
  lua_newtable(L);
  luaL_setfuncs(L, lpb_socket_dns_functions, 0);
  lua_setfield(L, -2, "dns");
  return 1;
}

int luaopen_luapool_socket_stream(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, lpb_socket_stream_functions, 0);
  luaL_setfuncs(L, lpb_socket_unix_functions, 0);
  return 1;
}
