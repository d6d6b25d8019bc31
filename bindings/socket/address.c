/* bindings/socket/address.c: finds the addresses of a host and a port, and the names of a
 * socket's two ends. A task waits only when the host is a name and not a number. Layer:
 * bindings. */
#include "bindings/socket/address.h"

#include <errno.h>
#include <string.h>

#include "bindings/dns/dns.h"
#include "bindings/socket/class.h"

enum { MOST = 16 }; /* addresses of one name that are tried */

socklen_t lpb_socket_address_size(const struct sockaddr_in6 *address) {
  bool six = address->sin6_family == AF_INET6;
  return six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* libuv's code for one of getaddrinfo. */
static int code_of(int rc) {
  static const struct {
    int gai, uv;
  } rows[] = {
      {EAI_AGAIN, UV_EAI_AGAIN},       {EAI_BADFLAGS, UV_EAI_BADFLAGS},
      {EAI_FAIL, UV_EAI_FAIL},         {EAI_FAMILY, UV_EAI_FAMILY},
      {EAI_MEMORY, UV_EAI_MEMORY},     {EAI_NONAME, UV_EAI_NONAME},
      {EAI_SERVICE, UV_EAI_SERVICE},   {EAI_SOCKTYPE, UV_EAI_SOCKTYPE},
      {EAI_ADDRFAMILY, UV_EAI_NONAME}, {EAI_NODATA, UV_EAI_NONAME},
  };
  if (rc == EAI_SYSTEM) return -errno;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].gai == rc) return rows[i].uv;
  return rc ? UV_EAI_FAIL : 0;
}

static struct addrinfo hints_for(const lpb_socket *s, const char *host, int flags) {
  return (struct addrinfo){.ai_family = s->family,
                           .ai_socktype = s->type,
                           .ai_flags = flags | (host ? 0 : AI_PASSIVE)};
}

int lpb_socket_address_numeric(const lpb_socket *s, const char *host, const char *port,
                               struct sockaddr_in6 *address) {
  struct addrinfo *list, hints = hints_for(s, host, AI_NUMERICHOST | AI_NUMERICSERV);
  int rc = getaddrinfo(host, port, &hints, &list);
  if (rc != 0) return code_of(rc);
  memcpy(address, list->ai_addr, list->ai_addrlen);
  freeaddrinfo(list);
  return 0;
}

/* Goes on with an array of the addresses. */
static int go_on(lua_State *L, lpb_socket *s, const struct addrinfo *list,
                 lpb_socket_address_then *then) {
  int n = 0;
  struct sockaddr_in6 *array = lua_newuserdatauv(L, MOST * sizeof *array, 0);
  for (; list && n < MOST; list = list->ai_next)
    if (list->ai_family == AF_INET || list->ai_family == AF_INET6)
      memcpy(&array[n++], list->ai_addr, list->ai_addrlen);
  return n > 0 ? then(L, s, array, n) : lpb_socket_fail(L, UV_EAI_NONAME);
}

/* Stack: the socket at 1; on top what to do then. */
static int found(lua_State *L, const char *name, int status, const struct addrinfo *list) {
  (void)name;
  lpb_socket *s = lpb_socket_class_any(L, 1);
  lpb_socket_address_then *then = *(lpb_socket_address_then **)lua_touserdata(L, -1);
  if (status < 0) return lpb_socket_fail(L, status);
  return go_on(L, s, list, then);
}

int lpb_socket_address_resolve(lua_State *L, lpb_socket *s, const char *host, const char *port,
                               lpb_socket_address_then *then) {
  if (host && strcmp(host, "*") == 0) host = NULL;
  struct sockaddr_in6 address = {0};
  int rc = lpb_socket_address_numeric(s, host, port, &address);
  if (rc == 0) {
    struct addrinfo only = {.ai_family = address.sin6_family,
                            .ai_addr = (struct sockaddr *)&address,
                            .ai_addrlen = sizeof address};
    return go_on(L, s, &only, then);
  }
  if (rc != UV_EAI_NONAME && rc != UV_EAI_SERVICE) return lpb_socket_fail(L, rc);
  struct addrinfo hints = hints_for(s, host, 0);
  *(lpb_socket_address_then **)lua_newuserdatauv(L, sizeof then, 0) = then;
  return lpb_dns_await(L, host, port, &hints, found);
}

/* ---- both ends ---- */

typedef int name_of(int fd, struct sockaddr *address, socklen_t *size);

/* LuaSocket gives the port of the peer as a number and its own as a string. */
static int push_name(lua_State *L, name_of *get, bool number) {
  lpb_socket *s = lpb_socket_class_any(L, 1);
  luaL_argexpected(L, s, 1, "socket");
  struct sockaddr_in6 address;
  socklen_t size = sizeof address;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (get(s->fd, (struct sockaddr *)&address, &size) < 0) return lpb_socket_fail(L, -errno);
  int rc = getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                       NI_NUMERICHOST | NI_NUMERICSERV);
  if (rc != 0) return lpb_socket_fail(L, code_of(rc));
  lua_pushstring(L, host);
  if (number)
    lua_pushinteger(L, ntohs(address.sin6_port));
  else
    lua_pushstring(L, port);
  lua_pushstring(L, address.sin6_family == AF_INET6 ? "inet6" : "inet");
  return 3;
}

/* socket:getpeername() -> address, port, family; or nil and a message. */
static int socket_getpeername(lua_State *L) {
  return push_name(L, getpeername, true);
}

/* socket:getsockname() -> address, port, family; or nil and a message. */
static int socket_getsockname(lua_State *L) {
  return push_name(L, getsockname, false);
}

const luaL_Reg lpb_socket_address_methods[] = {
    {"getpeername", socket_getpeername}, {"getsockname", socket_getsockname}, {NULL, NULL}};
