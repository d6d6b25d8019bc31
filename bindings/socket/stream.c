/* bindings/socket/stream.c: luapool.socket.stream: what luapool's own clients of protocols need
 * besides the methods of LuaSocket: reading what has come, however much it is, sending with a
 * limit for one call, and Unix sockets. luapool.socket.core makes the classes and is loaded
 * first; scripts can require neither. Layer: bindings. */
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "bindings/socket/class.h"
#include "bindings/socket/tcp.h"
#include "runtime/loop/allow.h"

#ifdef LP_TINY
enum { MOST = 5 };
#else
enum { MOST = 64 << 10 }; /* bytes of one read */
#endif

/* Sets the limit of the call that begins: `timeout` at `arg`, in seconds; nil: none. */
static void limit(lua_State *L, lpb_socket *s, int arg) {
  s->block = -1;
  s->total = luaL_optnumber(L, arg, -1);
}

static int step_read(lpb_socket *s, lpb_socket_want *w) {
  (void)w;
  return lpb_socket_ready(s) > 0 ? 0 : lpb_socket_tcp_fill(s, MOST);
}

static int push_read(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  (void)w;
  if (status < 0) return lpb_socket_fail(L, status);
  size_t n = lpb_socket_ready(s);
  lua_pushlstring(L, s->in.data + s->at, n);
  lpb_socket_tcp_take(s, n);
  return 1;
}

/* stream.read(client [, timeout]) -> bytes, one at least; or nil and a message. With a timeout
 * of 0 it does not wait. */
static int stream_read(lua_State *L) {
  static const lp_op_class class = LPB_SOCKET_CLASS("socket read");
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  lpb_socket_want w = {.class = &class, .step = step_read, .push = push_read};
  limit(L, s, 2);
  return lpb_socket_do(L, s, &w);
}

static int push_written(lua_State *L, lpb_socket *s, lpb_socket_want *w, int status) {
  (void)s;
  lua_pushinteger(L, (lua_Integer)w->done);
  if (status == 0) return 1;
  return 1 + lpb_socket_fail(L, status);
}

/* stream.write(client, bytes, from [, timeout]) -> how many of the bytes behind the first
 * `from` were sent; when it is not all, nil and a message come behind the number. */
static int stream_write(lua_State *L) {
  static const lp_op_class class = LPB_SOCKET_CLASS("socket write");
  lpb_socket *s = lpb_socket_class_check(L, LPB_SOCKET_CLIENT);
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  size_t from = (size_t)luaL_checkinteger(L, 3);
  luaL_argcheck(L, from <= len, 3, "behind the end");
  lpb_socket_want w = {.class = &class,
                       .direction = LPB_SOCKET_WRITE,
                       .step = lpb_socket_tcp_send,
                       .push = push_written,
                       .data = data + from,
                       .len = len - from};
  limit(L, s, 4);
  return lpb_socket_do(L, s, &w);
}

/* stream.unix(path) -> a client that is connected to a Unix socket; or nil and a message. The
 * system does not wait there: a server whose line is full refuses. */
static int stream_unix(lua_State *L) {
  size_t len;
  const char *path = luaL_checklstring(L, 1, &len);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  lp_allow(L, LP_ALLOW_NET, path);
  luaL_argcheck(L, len > 0 && strlen(path) == len, 1, "no path");
  if (len >= sizeof address.sun_path) return lpb_socket_fail(L, -ENAMETOOLONG);
  memcpy(address.sun_path, path, len);
  lpb_socket *s = lpb_socket_class_push(L, LPB_SOCKET_CLIENT, AF_UNIX, SOCK_STREAM);
  int rc = lpb_socket_create(s, AF_UNIX);
  if (rc == 0 && connect(s->fd, (const struct sockaddr *)&address, sizeof address) < 0)
    rc = -errno;
  return rc < 0 ? lpb_socket_fail(L, rc) : 1;
}

const luaL_Reg lpb_socket_stream_functions[] = {
    {"read", stream_read}, {"write", stream_write}, {"unix", stream_unix}, {NULL, NULL}};
