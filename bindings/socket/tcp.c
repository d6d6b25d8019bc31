/* bindings/socket/tcp.c: TCP of the LuaSocket door. A master becomes a client or a server.
 * Bytes that have come and were not asked for stay in the socket's buffer, so a wait that is
 * cancelled loses none. Layer: bindings. */
#include "bindings/socket/tcp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "bindings/socket/address.h"
#include "bindings/socket/class.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/loop.h"

#ifdef LP_TINY
enum { CHUNK = 3, MOST = 1 << 20, KEPT = 64 };
#else
enum {
  CHUNK = 16 << 10, /* bytes that one read asks for, at least */
  MOST = 1 << 20,   /* read or sent by one step, so that others have their turn */
  KEPT = 64 << 10,  /* a buffer that stays allocated */
};
#endif

/* The socket at 1, of any class of TCP. */
static lpb_socket *check_tcp(lua_State *L) {
  lpb_socket *s = lpb_socket_class_any(L, 1);
  if (!s || s->type != SOCK_STREAM) luaL_argerror(L, 1, "tcp{any} expected");
  return s;
}

/* ---- receive ---- */

enum { LINE, ALL, COUNT };

int lpb_socket_tcp_fill(lpb_socket *s, size_t most) {
  if (s->at > 0) {
    lp_buf_consume(&s->in, s->at);
    s->at = 0;
  }
  if (s->in.len > lp_heap_room(&s->st->heap)) return LP_EMEMORY;
  if (s->layer) return s->layer->fill(s, most);
  if (lp_buf_reserve(&s->in, most) < 0) return LP_EMEMORY;
  ssize_t n;
  do n = recv(s->fd, s->in.data + s->in.len, most, 0);
  while (n < 0 && errno == EINTR);
  if (n == 0) return LP_ECLOSED;
  if (n < 0) return errno == EAGAIN ? UV_EAGAIN : -errno;
  s->in.len += (size_t)n;
  s->received += (double)n;
  return 0;
}

/* Is it all there? w->len is what the script wants; w->done, of a line, what has been searched.
 */
static bool complete(lpb_socket *s, lpb_socket_want *w) {
  size_t ready = lpb_socket_ready(s);
  if (w->pattern == COUNT) return ready > 0 && ready >= w->len;
  if (w->pattern == ALL) return false;
  const char *from = s->in.data + s->at;
  const char *end = ready > w->done ? memchr(from + w->done, '\n', ready - w->done) : NULL;
  w->done = ready;
  if (end) w->len = (size_t)(end - from) + 1;
  return end != NULL;
}

static int step_receive(lpb_socket *s, lpb_socket_want *w) {
  for (size_t begun = lpb_socket_ready(s);;) {
    size_t ready = lpb_socket_ready(s), most = CHUNK;
    if (complete(s, w)) return 0;
    if (ready > begun + MOST) return UV_EAGAIN;
    if (w->pattern == COUNT && w->len > ready + CHUNK) most = w->len - ready;
    int rc = lpb_socket_tcp_fill(s, most < MOST ? most : MOST);
    if (rc == LP_ECLOSED && w->pattern == ALL && ready > 0) return 0;
    if (rc < 0) return rc;
    w->moved = true;
  }
}

/* Takes out the carriage returns, as LuaSocket does in lines; returns how many bytes stay. */
static size_t strip(char *bytes, size_t len) {
  char *to = memchr(bytes, '\r', len);
  if (!to) return len;
  for (const char *from = to; from < bytes + len; from++)
    if (*from != '\r') *to++ = *from;
  return (size_t)(to - bytes);
}

void lpb_socket_tcp_take(lpb_socket *s, size_t n) {
  if (n == 0) return;
  s->at += n;
  if (s->at < s->in.len) return;
  s->at = s->in.len = 0;
  if (s->in.cap > KEPT) lp_buf_close(&s->in);
}

/* Pushes the prefix (index 3) and the first n bytes, which are taken; `skip` more are dropped.
 */
static void push_bytes(lua_State *L, lpb_socket *s, lpb_socket_want *w, size_t n, size_t skip) {
  char *bytes = s->in.data + s->at;
  bool prefix = !lua_isnil(L, 3);
  size_t len = w->pattern == LINE && n > 0 ? strip(bytes, n) : n;
  if (prefix) lua_pushvalue(L, 3);
  lua_pushlstring(L, bytes, len);
  if (prefix) lua_concat(L, 2);
  lpb_socket_tcp_take(s, n + skip);
}

/* A failure gives the part that has come as third value. */
static int push_received(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  size_t ready = w->turn ? lpb_socket_ready(s) : 0;
  if (status < 0) {
    lpb_socket_fail(L, status);
    push_bytes(L, s, w, ready, 0);
    return 3;
  }
  if (w->pattern == LINE)
    push_bytes(L, s, w, w->len - 1, 1);
  else
    push_bytes(L, s, w, w->pattern == ALL ? ready : w->len, 0);
  return 1;
}

/* The pattern at index 2: a number of bytes, "*l" or "*a" (without the star as well). */
static void check_pattern(lua_State *L, lpb_socket_want *w) {
  if (lua_isnumber(L, 2)) {
    lua_Number n = lua_tonumber(L, 2);
    luaL_argcheck(L, n >= 0, 2, "invalid receive pattern");
    w->pattern = COUNT;
    w->len = (size_t)n;
    return;
  }
  const char *p = luaL_optstring(L, 2, "*l");
  if (*p == '*') p++;
  luaL_argcheck(L, *p == 'l' || *p == 'a', 2, "invalid receive pattern");
  w->pattern = *p == 'l' ? LINE : ALL;
}

/* client:receive([pattern [, prefix]]) -> bytes; or nil, message, the part that has come. The
 * pattern: "*l" a line without its end (the default), "*a" all until the peer closes, or a
 * number of bytes, in which the prefix is counted. */
static int tcp_receive(lua_State *L) {
  static const lp_op_class class = LPB_SOCKET_CLASS("socket receive");
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  lpb_socket_want w = {.class = &class, .step = step_receive, .push = push_received};
  size_t prefix = 0;
  lua_settop(L, 3);
  luaL_optlstring(L, 3, "", &prefix);
  check_pattern(L, &w);
  if (w.pattern == COUNT && prefix > 0) {
    lua_settop(L, 3);
    if (prefix >= w.len) return 1;
    w.len -= prefix;
  }
  return lpb_socket_do(L, s, &w);
}

/* ---- send ---- */

int lpb_socket_tcp_send(lpb_socket *s, lpb_socket_want *w) {
  size_t begun = w->done;
  if (s->layer) return s->layer->send(s, w);
  while (w->done < w->len) {
    if (w->done > begun + MOST) return UV_EAGAIN;
    ssize_t n = send(s->fd, w->data + w->done, w->len - w->done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? UV_EAGAIN : -errno;
    w->moved = true;
    w->done += (size_t)n;
    s->sent += (double)n;
  }
  return 0;
}

/* The index of the last byte sent, as third value of a failure. */
static int push_sent(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  (void)s;
  int n = status < 0 ? lpb_socket_fail(L, status) : 0;
  lua_pushinteger(L, (lua_Integer)w->first - 1 + (lua_Integer)w->done);
  return n + 1;
}

/* client:send(data [, i [, j]]) -> index of the last byte sent; or nil, message, that index. */
static int tcp_send(lua_State *L) {
  static const lp_op_class class = LPB_SOCKET_CLASS("socket send");
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  lua_Integer i = (lua_Integer)luaL_optnumber(L, 3, 1),
              j = (lua_Integer)luaL_optnumber(L, 4, -1);
  if (i < 0) i += (lua_Integer)len + 1;
  if (j < 0) j += (lua_Integer)len + 1;
  if (i < 1) i = 1;
  if (j > (lua_Integer)len) j = (lua_Integer)len;
  lpb_socket_want w = {.class = &class,
                       .direction = LPB_SOCKET_WRITE,
                       .step = lpb_socket_tcp_send,
                       .push = push_sent};
  w.first = (size_t)i;
  if (i > j) return push_sent(L, s, &w, 0);
  w.data = data + i - 1;
  w.len = (size_t)(j - i + 1);
  return lpb_socket_do(L, s, &w);
}

/* ---- connect ---- */

static int try_connect(lpb_socket *s, const struct sockaddr_in6 *address) {
  if (s->fd >= 0 && s->family != address->sin6_family) lpb_socket_replace(s, -1, true);
  int rc = lpb_socket_create(s, address->sin6_family);
  if (rc < 0) return rc;
  rc = connect(s->fd, (const struct sockaddr *)address, lpb_socket_address_size(address));
  if (rc == 0) return 0;
  return errno == EINPROGRESS || errno == EINTR ? UV_EAGAIN : -errno;
}

static int outcome(const lpb_socket *s) {
  struct pollfd ready = {.fd = s->fd, .events = POLLOUT};
  int error = 0;
  socklen_t size = sizeof error;
  if (poll(&ready, 1, 0) == 0) return UV_EAGAIN;
  if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
  return -error;
}

/* One address after the other. Another one of the same family needs a new descriptor when it
 * was ours that failed; poll and all are made anew. */
static int step_connect(lpb_socket *s, lpb_socket_want *w) {
  int rc = w->begun ? outcome(s) : try_connect(s, &w->addresses[w->at]);
  w->begun = true;
  while (rc < 0 && rc != UV_EAGAIN && w->at + 1 < w->count) {
    lpb_socket_replace(s, -1, true);
    w->moved = true;
    rc = try_connect(s, &w->addresses[++w->at]);
  }
  return rc;
}

static int push_connected(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  (void)s, (void)w;
  return lpb_socket_outcome(L, status);
}

static int connect_to(lua_State *L, lpb_socket *s, const struct sockaddr_in6 *addresses,
                      int count) {
  static const lp_op_class class = LPB_SOCKET_CLASS("socket connect");
  for (int i = 0; i < count; i++) lp_allow_to(L, "tcp", (const void *)&addresses[i]);
  lpb_socket_want w = {.class = &class,
                       .direction = LPB_SOCKET_WRITE,
                       .step = step_connect,
                       .push = push_connected,
                       .addresses = addresses,
                       .count = s->fd < 0 ? count : 1};
  return lpb_socket_do(L, s, &w);
}

/* tcp:connect(host, port) -> 1; or nil and a message. A name waits for the resolver, whatever
 * the time limit says. */
static int tcp_connect(lua_State *L) {
  lpb_socket *s = check_tcp(L);
  const char *host = luaL_checkstring(L, 2), *port = luaL_checkstring(L, 3);
  lpb_socket_class_become(L, LPB_SOCKET_CLIENT);
  return lpb_socket_address_resolve(L, s, host, port, connect_to);
}

/* ---- servers ---- */

static int bind_to(lua_State *L, lpb_socket *s, const struct sockaddr_in6 *addresses,
                   int count) {
  int rc = UV_EAI_NONAME;
  for (int i = 0; i < count; i++) {
    const struct sockaddr_in6 *a = &addresses[i];
    bool made = s->fd < 0;
    lp_allow_to(L, "bind", (const void *)a);
    rc = lpb_socket_create(s, a->sin6_family);
    if (rc == 0 && bind(s->fd, (const struct sockaddr *)a, lpb_socket_address_size(a)) < 0)
      rc = -errno;
    if (rc == 0) break;
    if (made) lpb_socket_replace(s, -1, true);
  }
  return lpb_socket_outcome(L, rc);
}

/* tcp:bind(host, port) -> 1; or nil and a message. "*": all addresses; port 0: any. */
static int tcp_bind(lua_State *L) {
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_MASTER);
  return lpb_socket_address_resolve(L, s, luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                                    bind_to);
}

/* master:listen([backlog]) -> 1; or nil and a message. It is a server from then on. */
static int tcp_listen(lua_State *L) {
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_MASTER);
  int backlog = (int)luaL_optnumber(L, 2, 32);
  struct sockaddr_in6 own = {.sin6_family = AF_UNSPEC};
  socklen_t size = sizeof own;
  if (getsockname(s->fd, (struct sockaddr *)&own, &size) == 0)
    lp_allow_to(L, "bind", (const void *)&own); /* one that was not bound gets any address */
  if (listen(s->fd, backlog) < 0) return lpb_socket_fail(L, -errno);
  lpb_socket_class_become(L, LPB_SOCKET_SERVER);
  return lpb_socket_outcome(L, 0);
}

static int step_accept(lpb_socket *s, lpb_socket_want *w) {
  do w->fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  while (w->fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (w->fd >= 0) return 0;
  return errno == EAGAIN ? UV_EAGAIN : -errno;
}

/* The client at index 2 gets the descriptor: here nothing may raise. */
static int push_accepted(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  (void)s;
  if (status < 0) return lpb_socket_fail(L, status);
  lpb_socket *client = *(lpb_socket **)lua_touserdata(L, 2);
  client->born = lp_loop_now(lp_state_of(L));
  client->fd = w->fd;
  w->fd = -1;
  lua_pushvalue(L, 2);
  return 1;
}

/* server:accept() -> client; or nil and a message. */
static int tcp_accept(lua_State *L) {
  static const lp_op_class class = LPB_SOCKET_CLASS("socket accept");
  lpb_socket_want w = {.class = &class, .step = step_accept, .push = push_accepted};
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_SERVER);
  lua_settop(L, 1);
  lpb_socket_class_push(L, LPB_SOCKET_CLIENT, s->family, SOCK_STREAM);
  return lpb_socket_do(L, s, &w);
}

/* ---- the rest ---- */

/* client:shutdown(["both"|"send"|"receive"]) -> 1; or nil and a message. */
static int tcp_shutdown(lua_State *L) {
  static const char *const names[] = {"both", "send", "receive", NULL};
  static const int how[] = {SHUT_RDWR, SHUT_WR, SHUT_RD};
  lpb_socket *s = check_tcp(L);
  shutdown(s->fd, how[luaL_checkoption(L, 2, "both", names)]); /* LuaSocket tells no failure */
  return lpb_socket_outcome(L, 0);
}

/* client:getstats() -> bytes received, bytes sent, age in seconds. */
static int tcp_getstats(lua_State *L) {
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  lua_pushinteger(L, (lua_Integer)s->received);
  lua_pushinteger(L, (lua_Integer)s->sent);
  lua_pushnumber(L, lp_loop_now(lp_state_of(L)) - s->born);
  return 3;
}

/* client:setstats([received [, sent [, age]]]) -> 1. */
static int tcp_setstats(lua_State *L) {
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  s->received = luaL_optnumber(L, 2, s->received);
  s->sent = luaL_optnumber(L, 3, s->sent);
  if (!lua_isnoneornil(L, 4)) s->born = lp_loop_now(lp_state_of(L)) - luaL_checknumber(L, 4);
  return lpb_socket_outcome(L, 0);
}

/* socket.tcp() -> master, for IPv4 or IPv6, as the address will be. */
static int socket_tcp(lua_State *L) {
  return lpb_socket_class_make(L, LPB_SOCKET_MASTER, AF_UNSPEC, SOCK_STREAM);
}

/* socket.tcp4() -> master for IPv4. */
static int socket_tcp4(lua_State *L) {
  return lpb_socket_class_make(L, LPB_SOCKET_MASTER, AF_INET, SOCK_STREAM);
}

/* socket.tcp6() -> master for IPv6. */
static int socket_tcp6(lua_State *L) {
  return lpb_socket_class_make(L, LPB_SOCKET_MASTER, AF_INET6, SOCK_STREAM);
}

const luaL_Reg lpb_socket_tcp_functions[] = {
    {"tcp", socket_tcp}, {"tcp4", socket_tcp4}, {"tcp6", socket_tcp6}, {NULL, NULL}};

const luaL_Reg lpb_socket_tcp_methods[] = {
    {"receive", tcp_receive},     {"send", tcp_send},         {"connect", tcp_connect},
    {"setpeername", tcp_connect}, {"bind", tcp_bind},         {"setsockname", tcp_bind},
    {"listen", tcp_listen},       {"accept", tcp_accept},     {"shutdown", tcp_shutdown},
    {"getstats", tcp_getstats},   {"setstats", tcp_setstats}, {NULL, NULL}};
