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

int lpb_socket_address_numeric(const lpb_socket *s, const char *host, const char *port,
                               struct sockaddr_in6 *address) {
  struct addrinfo *list, hints = {.ai_family = s->family,
                                  .ai_socktype = s->type,
                                  .ai_flags = AI_NUMERICHOST | (host ? 0 : AI_PASSIVE)};
  int rc = getaddrinfo(host, port, &hints, &list);
  if (rc != 0) return code_of(rc);
  memcpy(address, list->ai_addr, list->ai_addrlen);
  freeaddrinfo(list);
  return 0;
}

/* Goes on with an array of the addresses. */
static int go_on(lua_State *L, lpb_socket *s, const struct sockaddr_in6 *list, int count,
                 in_port_t port, lpb_socket_address_then *then) {
  int n = count < MOST ? count : MOST;
  struct sockaddr_in6 *array = lua_newuserdatauv(L, MOST * sizeof *array, 0);
  memcpy(array, list, (size_t)n * sizeof *array);
  for (int i = 0; i < n; i++) array[i].sin6_port = port;
  return then(L, s, array, n);
}

/* What is done with the addresses that a look-up finds. */
typedef struct plan {
  lpb_socket_address_then *then;
  in_port_t port;
} plan;

/* Stack: the socket at 1; on top the plan. */
static int found(lua_State *L, const char *name, const lpb_dns_answer *answer) {
  (void)name;
  lpb_socket *s = lpb_socket_class_any(L, 1);
  const plan *p = lua_touserdata(L, -1);
  if (answer->status < 0) return lpb_socket_fail(L, answer->status);
  return go_on(L, s, answer->addresses, answer->count, p->port, p->then);
}

static lpb_dns_lookup_kind kind_of(const lpb_socket *s) {
  return s->family == AF_INET    ? LPB_DNS_IPV4
         : s->family == AF_INET6 ? LPB_DNS_IPV6
                                 : LPB_DNS_ANY;
}

/* Finds the port first, for its name is in /etc/services. */
int lpb_socket_address_resolve(lua_State *L, lpb_socket *s, const char *host, const char *port,
                               lpb_socket_address_then *then) {
  if (host && strcmp(host, "*") == 0) host = NULL;
  struct sockaddr_in6 address = {0};
  int rc = lpb_socket_address_numeric(s, host, port, &address);
  if (rc == 0) return go_on(L, s, &address, 1, address.sin6_port, then);
  if (rc == UV_EAI_NONAME && host) rc = lpb_socket_address_numeric(s, NULL, port, &address);
  if (rc < 0) return lpb_socket_fail(L, rc);
  plan *p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = (plan){then, address.sin6_port};
  return lpb_dns_await(L, host, kind_of(s), found);
}

/* ---- both ends ---- */

typedef int name_of(int fd, struct sockaddr *address, socklen_t *size);

/* LuaSocket gives the port of the peer as a number and its own as a string. */
static int push_name(lua_State *L, name_of *get, bool number) {
  lpb_socket *s = lpb_socket_class_any(L, 1);
  luaL_argexpected(L, s, 1, "socket");
  struct sockaddr_storage address; /* also of a Unix socket */
  socklen_t size = sizeof address;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (get(s->fd, (struct sockaddr *)&address, &size) < 0) return lpb_socket_fail(L, -errno);
  int rc = getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                       NI_NUMERICHOST | NI_NUMERICSERV);
  if (rc != 0) return lpb_socket_fail(L, code_of(rc));
  lua_pushstring(L, host);
  if (number)
    lua_pushinteger(L,
                    ntohs(((struct sockaddr_in *)&address)->sin_port)); /* as in sockaddr_in6 */
  else
    lua_pushstring(L, port);
  lua_pushstring(L, address.ss_family == AF_INET6 ? "inet6" : "inet");
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
