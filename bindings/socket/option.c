/* bindings/socket/option.c: setoption and getoption of the LuaSocket door. Each option has a
 * row; each kind of value has a pair of functions. Layer: bindings. */
#include "bindings/socket/option.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <string.h>

#include "bindings/socket/class.h"

typedef union value {
  int number;
  struct linger linger;
  struct in_addr address;
  struct ip_mreq group;
  struct ipv6_mreq group6;
  char device[IFNAMSIZ];
} value;

/* One kind of value. `read` takes it from index 3 and returns its size, and may raise; `push`
 * pushes it. NULL: it cannot be set, or asked for. */
typedef struct kind {
  socklen_t (*read)(lua_State *L, value *v);
  void (*push)(lua_State *L, const value *v);
} kind;

static socklen_t read_bool(lua_State *L, value *v) {
  luaL_checktype(L, 3, LUA_TBOOLEAN);
  v->number = lua_toboolean(L, 3);
  return sizeof v->number;
}

static void push_bool(lua_State *L, const value *v) {
  lua_pushboolean(L, v->number);
}

static socklen_t read_int(lua_State *L, value *v) {
  v->number = (int)luaL_checknumber(L, 3);
  return sizeof v->number;
}

static void push_int(lua_State *L, const value *v) {
  lua_pushinteger(L, v->number);
}

static socklen_t read_linger(lua_State *L, value *v) {
  luaL_checktype(L, 3, LUA_TTABLE);
  bool on = lua_getfield(L, 3, "on") == LUA_TBOOLEAN;
  luaL_argcheck(L, on, 3, "boolean 'on' field expected");
  v->linger.l_onoff = lua_toboolean(L, -1);
  bool timeout = lua_getfield(L, 3, "timeout") == LUA_TNUMBER;
  luaL_argcheck(L, timeout, 3, "number 'timeout' field expected");
  v->linger.l_linger = (int)lua_tonumber(L, -1);
  return sizeof v->linger;
}

static void push_linger(lua_State *L, const value *v) {
  lua_createtable(L, 0, 2);
  lua_pushboolean(L, v->linger.l_onoff);
  lua_setfield(L, -2, "on");
  lua_pushinteger(L, v->linger.l_linger);
  lua_setfield(L, -2, "timeout");
}

/* An address, "*" for any, in the string on top. */
static void read_ip(lua_State *L, struct in_addr *address, const char *problem) {
  const char *text = lua_tostring(L, -1);
  address->s_addr = htonl(INADDR_ANY);
  bool ok = text && (strcmp(text, "*") == 0 || inet_aton(text, address));
  luaL_argcheck(L, ok, 3, problem);
}

static socklen_t read_address(lua_State *L, value *v) {
  lua_settop(L, 3);
  read_ip(L, &v->address, "ip expected");
  return sizeof v->address;
}

static void push_address(lua_State *L, const value *v) {
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &v->address, text, sizeof text);
  lua_pushstring(L, text);
}

static socklen_t read_group(lua_State *L, value *v) {
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_getfield(L, 3, "multiaddr");
  read_ip(L, &v->group.imr_multiaddr, "invalid 'multiaddr' ip address");
  lua_getfield(L, 3, "interface");
  read_ip(L, &v->group.imr_interface, "invalid 'interface' ip address");
  return sizeof v->group;
}

static socklen_t read_group6(lua_State *L, value *v) {
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_getfield(L, 3, "multiaddr");
  const char *text = lua_tostring(L, -1);
  bool ok = text && inet_pton(AF_INET6, text, &v->group6.ipv6mr_multiaddr) == 1;
  luaL_argcheck(L, ok, 3, "invalid 'multiaddr' ip address");
  lua_getfield(L, 3, "interface");
  v->group6.ipv6mr_interface = (unsigned)lua_tointeger(L, -1);
  return sizeof v->group6;
}

static socklen_t read_device(lua_State *L, value *v) {
  size_t len;
  const char *name = luaL_checklstring(L, 3, &len);
  luaL_argcheck(L, len < sizeof v->device, 3, "the name is too long");
  memcpy(v->device, name, len + 1);
  return (socklen_t)len + 1;
}

static void push_device(lua_State *L, const value *v) {
  lua_pushstring(L, v->device);
}

static void push_error(lua_State *L, const value *v) {
  if (v->number == 0) {
    lua_pushnil(L);
    return;
  }
  lpb_socket_fail(L, -v->number);
  lua_remove(L, -2);
}

static const kind boolean = {read_bool, push_bool}, number = {read_int, push_int},
                  lingers = {read_linger, push_linger}, device = {read_device, push_device},
                  interface = {read_address, push_address}, group = {read_group, NULL},
                  group6 = {read_group6, NULL}, error = {NULL, push_error};

static const struct option {
  const char *name;
  const kind *kind;
  int level, code;
} options[] = {
    {"keepalive", &boolean, SOL_SOCKET, SO_KEEPALIVE},
    {"reuseaddr", &boolean, SOL_SOCKET, SO_REUSEADDR},
    {"reuseport", &boolean, SOL_SOCKET, SO_REUSEPORT},
    {"dontroute", &boolean, SOL_SOCKET, SO_DONTROUTE},
    {"broadcast", &boolean, SOL_SOCKET, SO_BROADCAST},
    {"linger", &lingers, SOL_SOCKET, SO_LINGER},
    {"error", &error, SOL_SOCKET, SO_ERROR},
    {"recv-buffer-size", &number, SOL_SOCKET, SO_RCVBUF},
    {"send-buffer-size", &number, SOL_SOCKET, SO_SNDBUF},
    {"bindtodevice", &device, SOL_SOCKET, SO_BINDTODEVICE},
    {"tcp-nodelay", &boolean, IPPROTO_TCP, TCP_NODELAY},
    {"tcp-keepidle", &number, IPPROTO_TCP, TCP_KEEPIDLE},
    {"tcp-keepcnt", &number, IPPROTO_TCP, TCP_KEEPCNT},
    {"tcp-keepintvl", &number, IPPROTO_TCP, TCP_KEEPINTVL},
    {"tcp-defer-accept", &number, IPPROTO_TCP, TCP_DEFER_ACCEPT},
    {"tcp-fastopen", &number, IPPROTO_TCP, TCP_FASTOPEN},
    {"tcp-fastopen-connect", &number, IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
    {"ip-multicast-if", &interface, IPPROTO_IP, IP_MULTICAST_IF},
    {"ip-multicast-ttl", &number, IPPROTO_IP, IP_MULTICAST_TTL},
    {"ip-multicast-loop", &boolean, IPPROTO_IP, IP_MULTICAST_LOOP},
    {"ip-add-membership", &group, IPPROTO_IP, IP_ADD_MEMBERSHIP},
    {"ip-drop-membership", &group, IPPROTO_IP, IP_DROP_MEMBERSHIP},
    {"ipv6-unicast-hops", &number, IPPROTO_IPV6, IPV6_UNICAST_HOPS},
    {"ipv6-multicast-hops", &number, IPPROTO_IPV6, IPV6_MULTICAST_HOPS},
    {"ipv6-multicast-loop", &boolean, IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
    {"ipv6-add-membership", &group6, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP},
    {"ipv6-drop-membership", &group6, IPPROTO_IPV6, IPV6_DROP_MEMBERSHIP},
    {"ipv6-v6only", &boolean, IPPROTO_IPV6, IPV6_V6ONLY},
};

/* The option named at index 2, and the socket at 1. */
static const struct option *check_option(lua_State *L, lpb_socket **s) {
  *s = lpb_socket_class_any(L, 1);
  luaL_argexpected(L, *s, 1, "socket");
  const char *name = luaL_checkstring(L, 2);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (strcmp(options[i].name, name) == 0) return &options[i];
  luaL_argerror(L, 2, lua_pushfstring(L, "unsupported option `%s'", name));
  return NULL;
}

/* socket:setoption(name, value) -> 1; or nil and a message. */
static int socket_setoption(lua_State *L) {
  lpb_socket *s;
  value v = {0};
  const struct option *o = check_option(L, &s);
  if (!o->kind->read) return luaL_argerror(L, 2, "the option cannot be set");
  socklen_t size = o->kind->read(L, &v);
  if (setsockopt(s->fd, o->level, o->code, &v, size) < 0) {
    lua_pushnil(L);
    lua_pushliteral(L, "setsockopt failed");
    return 2;
  }
  lua_pushinteger(L, 1);
  return 1;
}

/* socket:getoption(name) -> its value; or nil and a message. */
static int socket_getoption(lua_State *L) {
  lpb_socket *s;
  value v = {0};
  socklen_t size = sizeof v;
  const struct option *o = check_option(L, &s);
  if (!o->kind->push) return luaL_argerror(L, 2, "the option cannot be asked for");
  if (getsockopt(s->fd, o->level, o->code, &v, &size) < 0) {
    lua_pushnil(L);
    lua_pushliteral(L, "getsockopt failed");
    return 2;
  }
  o->kind->push(L, &v);
  return 1;
}

const luaL_Reg lpb_socket_option_methods[] = {
    {"setoption", socket_setoption}, {"getoption", socket_getoption}, {NULL, NULL}};
