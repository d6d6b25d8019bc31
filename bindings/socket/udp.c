/* bindings/socket/udp.c: UDP of the LuaSocket door. A datagram is read when its task can take
 * it. Layer: bindings. */
#include "bindings/socket/udp.h"

#include <errno.h>
#include <string.h>

#include "bindings/dns/dns.h"
#include "bindings/socket/address.h"
#include "bindings/socket/class.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"

/* The socket at 1, of any class of UDP. */
static lpb_socket *check_udp(lua_State *L) {
  lpb_socket *s = lpb_socket_class_any(L, 1);
  if (!s || s->type != SOCK_DGRAM) luaL_argerror(L, 1, "udp{any} expected");
  return s;
}

/* ---- receiving ---- */

/* The datagram stands in the socket's buffer, not counted in its length, until it is pushed. */
static int step_receive(lpb_socket *s, lpb_socket_want *w) {
  socklen_t size = sizeof w->from;
  if (lp_buf_reserve(&s->in, w->len) < 0) return LP_EMEMORY;
  ssize_t n;
  do n = recvfrom(s->fd, s->in.data, w->len, 0, (struct sockaddr *)&w->from, &size);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? UV_EAGAIN : -errno;
  w->done = (size_t)n;
  return 0;
}

static int push_datagram(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  if (status < 0) return lpb_socket_fail(L, status);
  lua_pushlstring(L, s->in.data, w->done);
  if (s->in.cap > 8 * LPB_SOCKET_UDP_SIZE) lp_buf_close(&s->in);
  return 1;
}

static int push_with_sender(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  if (push_datagram(L, s, w, status) != 1) return 2;
  lpb_dns_push_address(L, &w->from);
  lua_pushinteger(L, ntohs(w->from.sin6_port));
  return 3;
}

static int receive(lua_State *L, lpb_socket *s,
                   int (*push)(lua_State *, lpb_socket *, lpb_socket_want *, int)) {
  static const lp_op_class class = LPB_SOCKET_CLASS("datagram receive");
  lua_Number size = luaL_optnumber(L, 2, LPB_SOCKET_UDP_SIZE);
  luaL_argcheck(L, size >= 0 && size <= 1 << 20, 2, "invalid datagram size");
  lpb_socket_want w = {
      .class = &class, .step = step_receive, .push = push, .len = (size_t)size};
  return lpb_socket_do(L, s, &w);
}

/* udp:receive([size]) -> datagram, cut to that size; or nil and a message. */
static int udp_receive(lua_State *L) {
  return receive(L, check_udp(L), push_datagram);
}

/* unconnected:receivefrom([size]) -> datagram, address, port; or nil and a message. */
static int udp_receivefrom(lua_State *L) {
  return receive(L, lpb_socket_class_check(L, LPB_SOCKET_UNCONNECTED), push_with_sender);
}

/* ---- sending ---- */

static int step_send(lpb_socket *s, lpb_socket_want *w) {
  const struct sockaddr *to = (const struct sockaddr *)w->addresses;
  socklen_t size = to ? lpb_socket_address_size(w->addresses) : 0;
  ssize_t n;
  do n = sendto(s->fd, w->data, w->len, MSG_NOSIGNAL, to, size);
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno == EAGAIN ? UV_EAGAIN : -errno;
  w->done = (size_t)n;
  return 0;
}

static int push_sent(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  (void)s;
  if (status < 0) return lpb_socket_fail(L, status);
  lua_pushinteger(L, (lua_Integer)w->done);
  return 1;
}

static int send_to(lua_State *L, lpb_socket *s, const struct sockaddr_in6 *address) {
  static const lp_op_class class = LPB_SOCKET_CLASS("datagram send");
  lpb_socket_want w = {
      .class = &class, .direction = LPB_SOCKET_WRITE, .step = step_send, .push = push_sent};
  w.addresses = address;
  w.data = luaL_checklstring(L, 2, &w.len);
  return lpb_socket_do(L, s, &w);
}

/* connected:send(datagram) -> bytes; or nil and a message. */
static int udp_send(lua_State *L) {
  return send_to(L, lpb_socket_class_check(L, LPB_SOCKET_CONNECTED), NULL);
}

/* unconnected:sendto(datagram, address, port) -> bytes; or nil and a message. No names. */
static int udp_sendto(lua_State *L) {
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_UNCONNECTED);
  luaL_checkstring(L, 2);
  const char *host = luaL_checkstring(L, 3), *port = luaL_checkstring(L, 4);
  struct sockaddr_in6 *address = lua_newuserdatauv(L, sizeof *address, 0);
  int rc = lpb_socket_address_numeric(s, host, port, address);
  if (rc == 0 && s->family == AF_UNSPEC) rc = lpb_socket_create(s, address->sin6_family);
  if (rc < 0) return lpb_socket_fail(L, rc);
  lp_allow_to(L, "udp", (const void *)address);
  return send_to(L, s, address);
}

/* ---- names ---- */

typedef int call(int fd, const struct sockaddr *address, socklen_t size);

static int name_it(lua_State *L, lpb_socket *s, const struct sockaddr_in6 *addresses, int count,
                   const char *scheme, call *name) {
  int rc = UV_EAI_NONAME;
  for (int i = 0; i < count; i++) {
    const struct sockaddr_in6 *a = &addresses[i];
    bool made = s->fd < 0;
    lp_allow_to(L, scheme, (const void *)a);
    rc = lpb_socket_create(s, a->sin6_family);
    if (rc == 0 && name(s->fd, (const struct sockaddr *)a, lpb_socket_address_size(a)) == 0)
      return lpb_socket_outcome(L, 0);
    if (rc == 0) rc = -errno;
    if (made) lpb_socket_replace(s, -1, true);
  }
  return lpb_socket_fail(L, rc);
}

static int bind_to(lua_State *L, lpb_socket *s, const struct sockaddr_in6 *addresses,
                   int count) {
  return name_it(L, s, addresses, count, "bind", bind);
}

static int connect_to(lua_State *L, lpb_socket *s, const struct sockaddr_in6 *addresses,
                      int count) {
  int n = name_it(L, s, addresses, count, "udp", connect);
  if (n == 1) lpb_socket_class_become(L, LPB_SOCKET_CONNECTED);
  return n;
}

/* udp:setsockname(host, port) -> 1; or nil and a message. */
static int udp_setsockname(lua_State *L) {
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_UNCONNECTED);
  return lpb_socket_address_resolve(L, s, luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                                    bind_to);
}

/* udp:setpeername(host, port) -> 1; or nil and a message. It is connected then; "*" ends that.
 */
static int udp_setpeername(lua_State *L) {
  lpb_socket *s = check_udp(L);
  const char *host = luaL_checkstring(L, 2);
  if (strcmp(host, "*") != 0)
    return lpb_socket_address_resolve(L, s, host, luaL_checkstring(L, 3), connect_to);
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  (void)connect(s->fd, &nobody, sizeof nobody); /* LuaSocket tells no failure either */
  lpb_socket_class_become(L, LPB_SOCKET_UNCONNECTED);
  return lpb_socket_outcome(L, 0);
}

/* socket.udp() -> unconnected, for IPv4 or IPv6, as the first address will be. */
static int socket_udp(lua_State *L) {
  return lpb_socket_class_make(L, LPB_SOCKET_UNCONNECTED, AF_UNSPEC, SOCK_DGRAM);
}

/* socket.udp4() -> unconnected, for IPv4. */
static int socket_udp4(lua_State *L) {
  return lpb_socket_class_make(L, LPB_SOCKET_UNCONNECTED, AF_INET, SOCK_DGRAM);
}

/* socket.udp6() -> unconnected, for IPv6. */
static int socket_udp6(lua_State *L) {
  return lpb_socket_class_make(L, LPB_SOCKET_UNCONNECTED, AF_INET6, SOCK_DGRAM);
}

const luaL_Reg lpb_socket_udp_functions[] = {
    {"udp", socket_udp}, {"udp4", socket_udp4}, {"udp6", socket_udp6}, {NULL, NULL}};

const luaL_Reg lpb_socket_udp_methods[] = {{"receive", udp_receive},
                                           {"receivefrom", udp_receivefrom},
                                           {"send", udp_send},
                                           {"sendto", udp_sendto},
                                           {"setsockname", udp_setsockname},
                                           {"setpeername", udp_setpeername},
                                           {NULL, NULL}};
