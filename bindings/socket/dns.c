/* bindings/socket/dns.c: socket.dns of the LuaSocket door. Layer: bindings. */
#include "bindings/socket/dns.h"

#include <netdb.h>
#include <unistd.h>

#include "bindings/dns/dns.h"
#include "bindings/socket/address.h"

static int fail(lua_State *L, int status) {
  if (status != UV_EAI_NONAME) return lpb_socket_fail(L, status);
  lua_pushnil(L);
  lua_pushliteral(L, "host not found");
  return 2;
}

/* Pushes {name=, alias={}, ip={...}}. */
static void push_resolved(lua_State *L, const lpb_dns_answer *answer) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, answer->name);
  lua_setfield(L, -2, "name");
  lua_newtable(L);
  lua_setfield(L, -2, "alias");
  lua_newtable(L);
  for (int i = 0; i < answer->count; i++) {
    lpb_dns_push_address(L, &answer->addresses[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "ip");
}

static int push_ip(lua_State *L, const char *name, const lpb_dns_answer *answer) {
  (void)name;
  if (answer->status < 0) return fail(L, answer->status);
  lpb_dns_push_address(L, answer->addresses);
  push_resolved(L, answer);
  return 2;
}

/* dns.toip(host) -> address, {name=, alias=, ip=}; or nil and a message. IPv4, as LuaSocket. */
static int dns_toip(lua_State *L) {
  return lpb_dns_await(L, luaL_checkstring(L, 1), LPB_DNS_IPV4, push_ip);
}

static int push_list(lua_State *L, const char *name, const lpb_dns_answer *answer) {
  (void)name;
  if (answer->status < 0) return lpb_socket_fail(L, answer->status);
  lua_createtable(L, answer->count, 0);
  for (int i = 0; i < answer->count; i++) {
    const struct sockaddr_in6 *address = &answer->addresses[i];
    lua_createtable(L, 0, 2);
    lua_pushstring(L, address->sin6_family == AF_INET6 ? "inet6" : "inet");
    lua_setfield(L, -2, "family");
    lpb_dns_push_address(L, address);
    lua_setfield(L, -2, "addr");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* dns.getaddrinfo(host) -> list of {family=, addr=}; or nil and a message. */
static int dns_getaddrinfo(lua_State *L) {
  return lpb_dns_await(L, luaL_checkstring(L, 1), LPB_DNS_ANY, push_list);
}

/* ---- addresses to names ---- */

static int push_hostname(lua_State *L, const char *address, const lpb_dns_answer *answer) {
  if (answer->status < 0) return fail(L, answer->status);
  lua_pushstring(L, answer->name);
  push_resolved(L, answer);
  if (answer->count == 0) { /* the argument was an address, not a name */
    lua_getfield(L, -1, "ip");
    lua_pushstring(L, address);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 1);
  }
  return 2;
}

/* dns.tohostname(address) -> name, {name=, alias=, ip=}; or nil and a message. */
static int dns_tohostname(lua_State *L) {
  const lpb_socket any = {.type = SOCK_STREAM};
  struct sockaddr_in6 address = {0};
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  bool numeric = lpb_socket_address_numeric(&any, name, NULL, &address) == 0;
  return lpb_dns_await(L, name, numeric ? LPB_DNS_NAME : LPB_DNS_IPV4, push_hostname);
}

/* Stack: host, service, and the name of the service. */
static int push_names(lua_State *L, const char *address, const lpb_dns_answer *answer) {
  lua_createtable(L, 1, 0);
  lua_pushstring(L, answer->status < 0 ? address : answer->name);
  lua_rawseti(L, -2, 1);
  lua_pushvalue(L, 3);
  return 2;
}

static int name_found(lua_State *L, const char *name, const lpb_dns_answer *answer) {
  (void)name;
  if (answer->status < 0) return lpb_socket_fail(L, answer->status);
  lpb_dns_push_address(L, answer->addresses);
  return lpb_dns_await(L, lua_tostring(L, -1), LPB_DNS_NAME, push_names);
}

/* dns.getnameinfo(host [, service]) -> {name}, service; or nil and a message. */
static int dns_getnameinfo(lua_State *L) {
  const lpb_socket any = {.type = SOCK_STREAM};
  const char *host = luaL_checkstring(L, 1), *service = luaL_optstring(L, 2, NULL);
  struct sockaddr_in6 address = {0};
  char text[NI_MAXSERV];
  lua_settop(L, 2);
  lua_pushnil(L);
  if (service) { /* its name, out of /etc/services */
    int rc = lpb_socket_address_numeric(&any, NULL, service, &address);
    if (rc < 0) return lpb_socket_fail(L, rc);
    if (getnameinfo((struct sockaddr *)&address, sizeof address, NULL, 0, text, sizeof text,
                    0) == 0)
      lua_pushstring(L, text);
    lua_replace(L, 3);
  }
  return lpb_dns_await(L, host, LPB_DNS_ANY, name_found);
}

/* dns.gethostname() -> the name of this machine. */
static int dns_gethostname(lua_State *L) {
  char name[HOST_NAME_MAX + 1] = "";
  gethostname(name, sizeof name - 1);
  lua_pushstring(L, name);
  return 1;
}

const luaL_Reg lpb_socket_dns_functions[] = {{"toip", dns_toip},
                                             {"getaddrinfo", dns_getaddrinfo},
                                             {"tohostname", dns_tohostname},
                                             {"getnameinfo", dns_getnameinfo},
                                             {"gethostname", dns_gethostname},
                                             {NULL, NULL}};
