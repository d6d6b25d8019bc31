/* bindings/socket/dns.c: socket.dns of the LuaSocket door. Layer: bindings. */
#include "bindings/socket/dns.h"

#include <string.h>
#include <unistd.h>

#include "bindings/dns/dns.h"
#include "bindings/socket/address.h"
#include "runtime/base/error.h"

static int fail(lua_State *L, int status) {
  if (status != UV_EAI_NONAME) return lpb_socket_fail(L, status);
  lua_pushnil(L);
  lua_pushliteral(L, "host not found");
  return 2;
}

/* Pushes {name=, alias={}, ip={...}}. */
static void push_resolved(lua_State *L, const char *name, const struct addrinfo *list) {
  lua_createtable(L, 0, 3);
  lua_pushstring(L, list && list->ai_canonname ? list->ai_canonname : name);
  lua_setfield(L, -2, "name");
  lua_newtable(L);
  lua_setfield(L, -2, "alias");
  lua_newtable(L);
  for (lua_Integer i = 1; list; i++, list = list->ai_next) {
    lpb_dns_push_address(L, list->ai_addr);
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -2, "ip");
}

static int push_ip(lua_State *L, const char *name, int status, const struct addrinfo *list) {
  if (status < 0) return fail(L, status);
  lpb_dns_push_address(L, list->ai_addr);
  push_resolved(L, name, list);
  return 2;
}

/* dns.toip(host) -> address, {name=, alias=, ip=}; or nil and a message. IPv4, as LuaSocket. */
static int dns_toip(lua_State *L) {
  const struct addrinfo hints = {
      .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
  return lpb_dns_await(L, luaL_checkstring(L, 1), NULL, &hints, push_ip);
}

static int push_list(lua_State *L, const char *name, int status, const struct addrinfo *list) {
  (void)name;
  if (status < 0) return lpb_socket_fail(L, status);
  lua_newtable(L);
  for (lua_Integer i = 1; list; i++, list = list->ai_next) {
    lua_createtable(L, 0, 2);
    lua_pushstring(L, list->ai_family == AF_INET6 ? "inet6" : "inet");
    lua_setfield(L, -2, "family");
    lpb_dns_push_address(L, list->ai_addr);
    lua_setfield(L, -2, "addr");
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* dns.getaddrinfo(host) -> list of {family=, addr=}; or nil and a message. */
static int dns_getaddrinfo(lua_State *L) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  return lpb_dns_await(L, luaL_checkstring(L, 1), NULL, &hints, push_list);
}

/* ---- addresses to names ---- */

typedef struct name_op {
  lp_op op;
  uv_getnameinfo_t request;
  int (*push)(lua_State *L, uv_getnameinfo_t *request);
} name_op;

static void on_name(uv_getnameinfo_t *request, int status, const char *host, const char *port) {
  (void)host, (void)port; /* the request keeps them */
  name_op *o = lp_list_of(request, name_op, request);
  lp_op_finish(&o->op, status);
  lp_op_release(&o->op);
}

static void name_cancel(lp_op *op, int why) {
  uv_cancel((uv_req_t *)&((name_op *)op)->request);
  lp_op_finish(op, why);
}

static int name_results(lua_State *L, lp_op *op) {
  if (lp_error_is_ours(op->status)) return lp_op_raise(L, op);
  if (op->status < 0) return fail(L, op->status);
  return ((name_op *)op)->push(L, &((name_op *)op)->request);
}

static const lp_op_class name_class = {
    .name = "dns", .cancel = name_cancel, .results = name_results};

static int await_name(lua_State *L, const struct sockaddr *address, int flags,
                      int (*push)(lua_State *, uv_getnameinfo_t *)) {
  struct sockaddr_storage copy = {0}; /* `address` goes with the operation before this one */
  bool six = address->sa_family == AF_INET6;
  memcpy(&copy, address, six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
  name_op *o = lp_op_new(L, &name_class, sizeof *o);
  o->push = push;
  int rc =
      uv_getnameinfo(lp_op_loop(&o->op), &o->request, on_name, (struct sockaddr *)&copy, flags);
  if (rc == 0)
    lp_op_hold(&o->op);
  else
    lp_op_finish(&o->op, rc);
  return lp_op_await(L, &o->op, -1);
}

static int push_hostname(lua_State *L, uv_getnameinfo_t *request) {
  lua_pushstring(L, request->host);
  push_resolved(L, request->host, NULL);
  lua_getfield(L, -1, "ip");
  lua_pushvalue(L, 1);
  lua_rawseti(L, -2, 1);
  lua_pop(L, 1);
  return 2;
}

/* The argument was a name, not an address. */
static int push_canonical(lua_State *L, const char *name, int status,
                          const struct addrinfo *list) {
  if (status < 0) return fail(L, status);
  lua_pushstring(L, list->ai_canonname ? list->ai_canonname : name);
  push_resolved(L, name, list);
  return 2;
}

/* dns.tohostname(address) -> name, {name=, alias=, ip=}; or nil and a message. */
static int dns_tohostname(lua_State *L) {
  const lpb_socket any = {.type = SOCK_STREAM};
  const struct addrinfo hints = {
      .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME};
  struct sockaddr_in6 address;
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  if (lpb_socket_address_numeric(&any, name, NULL, &address) == 0)
    return await_name(L, (struct sockaddr *)&address, NI_NAMEREQD, push_hostname);
  return lpb_dns_await(L, name, NULL, &hints, push_canonical);
}

/* Stack: host and service, as the script gave them. */
static int push_names(lua_State *L, uv_getnameinfo_t *request) {
  lua_createtable(L, 1, 0);
  lua_pushstring(L, request->host);
  lua_rawseti(L, -2, 1);
  if (lua_isnil(L, 2))
    lua_pushnil(L);
  else
    lua_pushstring(L, request->service);
  return 2;
}

static int name_found(lua_State *L, const char *name, int status, const struct addrinfo *list) {
  (void)name;
  if (status < 0) return lpb_socket_fail(L, status);
  return await_name(L, list->ai_addr, 0, push_names);
}

/* dns.getnameinfo(host [, service]) -> {name}, service; or nil and a message. */
static int dns_getnameinfo(lua_State *L) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  const char *host = luaL_checkstring(L, 1), *service = luaL_optstring(L, 2, NULL);
  lua_settop(L, 2);
  return lpb_dns_await(L, host, service, &hints, name_found);
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
