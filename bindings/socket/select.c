/* bindings/socket/select.c: socket.select of the LuaSocket door. What it waits for may be any
 * object with a method getfd, and its descriptors may be polled for others too; so it waits
 * with an epoll of its own, which is one descriptor for libuv. Layer: bindings. */
#include "bindings/socket/select.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bindings/socket/class.h"
#include "runtime/base/error.h"

typedef struct select_op {
  lp_op op;
  uv_poll_t poll;
  int epoll;
  bool polled; /* `poll` is open */
  struct pollfd
      *fds; /* on the stack of who waits: those to be read, then those to be written */
  int readers, count;
} select_op;

/* ---- what is asked for ---- */

static int list_length(lua_State *L, int index) {
  if (lua_isnil(L, index)) return 0;
  luaL_checktype(L, index, LUA_TTABLE);
  return (int)lua_rawlen(L, index);
}

/* The descriptor of the object on top; -1, which is looked past, when it has none. */
static int fd_of(lua_State *L) {
  lpb_socket *s = lpb_socket_class_any(L, -1);
  if (s) return s->fd;
  if (lua_getfield(L, -1, "getfd") == LUA_TNIL) {
    lua_pop(L, 1);
    return -1;
  }
  lua_pushvalue(L, -2);
  lua_call(L, 1, 1);
  int fd = lua_isnumber(L, -1) ? (int)lua_tonumber(L, -1) : -1;
  lua_pop(L, 1);
  return fd;
}

static bool is_dirty(lua_State *L) {
  lpb_socket *s = lpb_socket_class_any(L, -1);
  if (s) return lpb_socket_ready(s) > 0;
  if (lua_getfield(L, -1, "dirty") == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  lua_pushvalue(L, -2);
  lua_call(L, 1, 1);
  bool dirty = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return dirty;
}

/* Fills in the objects of the list at `index`; those that are dirty are ready at once. Returns
 * how many are. */
static int collect(lua_State *L, int index, struct pollfd *fds, int n, short events) {
  int dirty = 0;
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, index, i + 1);
    fds[i] = (struct pollfd){.fd = fd_of(L), .events = events};
    if (events == POLLIN && is_dirty(L)) {
      fds[i].fd = -1;
      fds[i].events = 0; /* the mark of a dirty one */
      dirty++;
    }
    lua_pop(L, 1);
  }
  return dirty;
}

/* ---- what came of it ---- */

static bool is_ready(const struct pollfd *p) {
  return p->events == 0 || p->revents != 0;
}

/* Pushes those of the list at `index` that are ready: a list that also maps each to its place.
 */
static void push_ready(lua_State *L, int index, const struct pollfd *fds, int n) {
  lua_Integer place = 0;
  lua_newtable(L);
  for (int i = 0; i < n; i++) {
    if (!is_ready(&fds[i])) continue;
    lua_rawgeti(L, index, i + 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, ++place);
    lua_pushinteger(L, place);
    lua_rawset(L, -3);
  }
}

static int push_both(lua_State *L, const struct pollfd *fds, int readers, int count) {
  bool any = false;
  for (int i = 0; i < count; i++) any = any || is_ready(&fds[i]);
  push_ready(L, 1, fds, readers);
  push_ready(L, 2, fds + readers, count - readers);
  if (any) return 2;
  lua_pushliteral(L, "timeout");
  return 3;
}

/* ---- waiting ---- */

static void on_closed(uv_handle_t *handle) {
  lp_op_release(&lp_list_of((uv_poll_t *)handle, select_op, poll)->op);
}

/* Before the task goes on: the descriptors may be closed then. */
static void stop(select_op *o) {
  if (o->polled) uv_close((uv_handle_t *)&o->poll, on_closed);
  o->polled = false;
  if (o->epoll >= 0) close(o->epoll);
  o->epoll = -1;
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  select_op *o = lp_list_of(poll, select_op, poll);
  stop(o);
  lp_op_finish(&o->op, 0);
}

static void select_cancel(lp_op *op, int why) {
  stop((select_op *)op);
  lp_op_finish(op, why);
}

static int select_results(lua_State *L, lp_op *op) {
  select_op *o = (select_op *)op;
  if (op->status == LP_ECANCELLED || op->status == LP_EMEMORY) return lp_op_raise(L, op);
  if (op->status < 0 && op->status != LP_ETIMEOUT)
    return luaL_error(L, "select failed: %s", strerror(-op->status));
  poll(o->fds, (nfds_t)o->count, 0);
  return push_both(L, o->fds, o->readers, o->count);
}

static void select_close(lp_op *op) {
  stop((select_op *)op);
}

static const lp_op_class select_class = {.name = "select",
                                         .cancel = select_cancel,
                                         .results = select_results,
                                         .close = select_close};

/* One that is to be read and written stands in both lists. */
static int watch_again(const select_op *o, struct epoll_event *event, int fd) {
  event->events = 0;
  for (int i = 0; i < o->count; i++)
    if (o->fds[i].fd == fd) event->events |= (uint32_t)o->fds[i].events;
  return epoll_ctl(o->epoll, EPOLL_CTL_MOD, fd, event);
}

/* POLLIN and POLLOUT are EPOLLIN and EPOLLOUT. */
static int watch(const select_op *o) {
  for (int i = 0; i < o->count; i++) {
    struct epoll_event event = {.events = (uint32_t)o->fds[i].events};
    if (o->fds[i].fd < 0) continue;
    int rc = epoll_ctl(o->epoll, EPOLL_CTL_ADD, o->fds[i].fd, &event);
    if (rc < 0 && errno == EEXIST) rc = watch_again(o, &event, o->fds[i].fd);
    if (rc < 0) return -errno;
  }
  return 0;
}

static int start(select_op *o) {
  o->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (o->epoll < 0) return -errno;
  int rc = watch(o);
  if (rc == 0) rc = uv_poll_init(lp_op_loop(&o->op), &o->poll, o->epoll);
  if (rc < 0) return rc;
  o->polled = true;
  lp_op_hold(&o->op);
  return uv_poll_start(&o->poll, UV_READABLE, on_ready);
}

/* socket.select(recvt, sendt [, timeout]) -> ready to be read, ready to be written [,
 * "timeout"]. Either list may be nil. The results are lists that also map each object to its
 * place. */
static int socket_select(lua_State *L) {
  double timeout = luaL_optnumber(L, 3, -1);
  lua_settop(L, 3);
  int readers = list_length(L, 1), writers = list_length(L, 2), count = readers + writers;
  struct pollfd *fds = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *fds, 0);
  int ready = collect(L, 1, fds, readers, POLLIN);
  collect(L, 2, fds + readers, writers, POLLOUT);
  ready += poll(fds, (nfds_t)count, 0);
  if (ready || timeout == 0) return push_both(L, fds, readers, count);
  select_op *o = lp_op_new(L, &select_class, sizeof *o);
  o->fds = fds;
  o->readers = readers;
  o->count = count;
  o->epoll = -1;
  int rc = start(o);
  if (rc < 0) lp_op_finish(&o->op, rc);
  return lp_op_await(L, &o->op, timeout);
}

const luaL_Reg lpb_socket_select_functions[] = {{"select", socket_select}, {NULL, NULL}};
