/* bindings/socket/socket.c: the descriptor of a socket, its poll, and the operations that wait
 * for it.
 *
 * The poll for reading stays armed between two waits, since most sockets are read again soon;
 * an event that nobody waits for disarms it. It keeps the loop alive only while somebody waits.
 * Layer: bindings. */
#include "bindings/socket/socket.h"

#include <errno.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/raise.h"

/* Apart from the socket: it is closed when the descriptor is, and freed a turn later. */
typedef struct lpb_socket_poll {
  uv_poll_t handle;
  lpb_socket *socket;
} lpb_socket_poll;

typedef struct socket_op {
  lp_op op;
  lpb_socket *socket;
  lp_list link; /* in socket->waiting */
  double began; /* seconds of the loop's clock */
  double moved; /* when the peer last did something */
  lpb_socket_want want;
} socket_op;

static const int events_of[] = {
    [LPB_SOCKET_READ] = UV_READABLE, [LPB_SOCKET_WRITE] = UV_WRITABLE};

/* ---- the poll ---- */

static void on_poll(uv_poll_t *handle, int status, int events);

static void poll_closed(uv_handle_t *handle) {
  lp_alloc_free(lp_list_of((uv_poll_t *)handle, lpb_socket_poll, handle));
}

static void close_poll(lpb_socket *s) {
  if (s->poll) uv_close((uv_handle_t *)&s->poll->handle, poll_closed);
  s->poll = NULL;
  s->armed = 0;
}

static int open_poll(lpb_socket *s) {
  lpb_socket_poll *p = lp_alloc_new(sizeof *p);
  if (!p) return LP_EMEMORY;
  int rc = uv_poll_init(s->st->loop, &p->handle, s->fd);
  if (rc < 0) {
    lp_alloc_free(p);
    return rc;
  }
  p->socket = s;
  s->poll = p;
  return 0;
}

/* The operation whose turn it is, or NULL; it may be finished and not yet taken. */
static socket_op *first(lpb_socket *s, lpb_socket_direction d) {
  lp_list *list = &s->waiting[d];
  return lp_list_empty(list) ? NULL : lp_list_of(list->next, socket_op, link);
}

static int wanted(lpb_socket *s) {
  int events = 0;
  for (int d = 0; d < LPB_SOCKET_DIRECTIONS; d++) {
    socket_op *o = first(s, (lpb_socket_direction)d);
    if (o && !o->op.finished) events |= events_of[o->want.polls];
  }
  return events;
}

/* What is made and not yet sent goes out whoever waits. */
static int pending(const lpb_socket *s) {
  return s->layer && s->layer->pending(s) ? UV_WRITABLE : 0;
}

/* Asks for what is wanted; keeps asking for `kept` when it does already. */
static int arm(lpb_socket *s, int kept) {
  int need = wanted(s), own = pending(s), events = need | own | (s->armed & kept), rc = 0;
  if (!s->poll && (need | own)) rc = open_poll(s);
  if (rc < 0 || !s->poll) return rc;
  if (events != s->armed)
    rc = events ? uv_poll_start(&s->poll->handle, events, on_poll)
                : uv_poll_stop(&s->poll->handle);
  s->armed = rc < 0 ? 0 : events;
  if (need)
    uv_ref((uv_handle_t *)&s->poll->handle);
  else
    uv_unref((uv_handle_t *)&s->poll->handle);
  return rc;
}

/* Tries for the one whose turn it is. */
static void advance(lpb_socket *s, lpb_socket_direction d) {
  socket_op *o = first(s, d);
  if (!o || o->op.finished) return;
  o->want.moved = false;
  o->want.polls = d;
  int rc = o->want.step(s, &o->want);
  if (o->want.moved) o->moved = lp_loop_now(s->st);
  if (rc != UV_EAGAIN) lp_op_finish(&o->op, rc);
}

static bool due(lpb_socket *s, lpb_socket_direction d, int events) {
  socket_op *o = first(s, d);
  return o && (events & events_of[o->want.polls]);
}

void lpb_socket_retry(lpb_socket *s, lpb_socket_direction d) {
  socket_op *o = first(s, d);
  if (!o || o->want.polls == LPB_SOCKET_WRITE) return;
  o->want.polls = LPB_SOCKET_WRITE; /* which is ready nearly always */
  arm(s, UV_READABLE | UV_WRITABLE);
}

/* After an error libuv has stopped the poll; the steps find out what it is. */
static void on_poll(uv_poll_t *handle, int status, int events) {
  lpb_socket *s = lp_list_of(handle, lpb_socket_poll, handle)->socket;
  if (status < 0) {
    s->armed = 0;
    events = UV_READABLE | UV_WRITABLE;
  }
  int idle = events & ~wanted(s);
  if (s->layer && (events & UV_WRITABLE)) s->layer->flush(s);
  if (due(s, LPB_SOCKET_READ, events)) advance(s, LPB_SOCKET_READ);
  if (due(s, LPB_SOCKET_WRITE, events)) advance(s, LPB_SOCKET_WRITE);
  arm(s, UV_READABLE & ~idle);
}

/* ---- waiting ---- */

double lpb_socket_timeout(const lpb_socket *s) {
  if (s->total < 0) return s->block;
  return s->block >= 0 && s->block < s->total ? s->block : s->total;
}

static void leave(socket_op *o) {
  lpb_socket *s = o->socket;
  lp_list_remove(&o->link);
  advance(s, o->want.direction);
  if (s->poll) arm(s, UV_READABLE);
}

/* A deadline counts from the last time that the peer did something, except for the limit of
 * the whole call. One that is late keeps its place until it has taken the part that it gets;
 * one that is cancelled gets nothing. */
void lpb_socket_cancel(lp_op *op, int why) {
  socket_op *o = (socket_op *)op;
  lpb_socket *s = o->socket;
  if (why == LP_ETIMEOUT && s->block >= 0) {
    double now = lp_loop_now(s->st), rest = o->moved + s->block - now;
    if (s->total >= 0 && o->began + s->total - now < rest) rest = o->began + s->total - now;
    if (o->moved > o->began && rest > 0) {
      lp_op_extend(op, rest);
      return;
    }
  }
  lp_op_finish(op, why);
  if (why != LP_ETIMEOUT) leave(o);
}

/* The code of a call that is late. */
static int late(const lpb_socket *s, const lpb_socket_want *w) {
  if (!s->tells_wants) return LP_ETIMEOUT;
  return w->polls == LPB_SOCKET_READ ? LPB_SOCKET_WANTS_READ : LPB_SOCKET_WANTS_WRITE;
}

int lpb_socket_results(lua_State *L, lp_op *op) {
  socket_op *o = (socket_op *)op;
  if (op->status == LP_ECANCELLED || op->status == LP_EMEMORY) return lp_op_raise(L, op);
  o->want.turn = first(o->socket, o->want.direction) == o;
  int status = op->status == LP_ETIMEOUT ? late(o->socket, &o->want) : op->status;
  return o->want.push(L, o->socket, &o->want, status);
}

void lpb_socket_drop(lp_op *op) {
  socket_op *o = (socket_op *)op;
  leave(o);
  if (o->want.fd >= 0) close(o->want.fd);
  lpb_socket_release(o->socket);
}

static int wait_for(lua_State *L, lpb_socket *s, const lpb_socket_want *w, double timeout) {
  socket_op *o = lp_op_new(L, w->class, sizeof *o);
  o->socket = s;
  o->want = *w;
  o->began = o->moved = lp_loop_now(s->st);
  s->holders++;
  lp_list_init(&o->link);
  lp_list_push(&s->waiting[w->direction], &o->link);
  int rc = arm(s, UV_READABLE | UV_WRITABLE);
  if (rc < 0) lp_op_finish(&o->op, rc);
  return lp_op_await(L, &o->op, timeout);
}

int lpb_socket_do(lua_State *L, lpb_socket *s, lpb_socket_want *w) {
  int rc = LP_ECLOSED;
  double timeout = lpb_socket_timeout(s);
  w->fd = -1;
  w->polls = w->direction;
  w->turn = !first(s, w->direction);
  if (s->fd >= 0 || w->addresses) rc = w->turn ? w->step(s, w) : UV_EAGAIN;
  if (rc == UV_EAGAIN && timeout != 0) return wait_for(L, s, w, timeout);
  if (pending(s)) arm(s, UV_READABLE | UV_WRITABLE);
  if (rc == LP_EMEMORY) return lp_raise_code(L, rc, w->class->name);
  return w->push(L, s, w, rc == UV_EAGAIN ? late(s, w) : rc);
}

/* ---- errors ---- */

static const struct {
  int code;
  const char *text;
} texts[] = {
    {LP_ETIMEOUT, "timeout"},
    {LP_ECLOSED, "closed"},
    {LPB_SOCKET_WANTS_READ, "wantread"},
    {LPB_SOCKET_WANTS_WRITE, "wantwrite"},
    {-EADDRINUSE, "address already in use"},
    {-EISCONN, "already connected"},
    {-EACCES, "permission denied"},
    {-ECONNREFUSED, "connection refused"},
    {-ECONNABORTED, "closed"},
    {-ECONNRESET, "closed"},
    {-EPIPE, "closed"},
    {-ETIMEDOUT, "timeout"},
    {UV_EAI_AGAIN, "temporary failure in name resolution"},
    {UV_EAI_BADFLAGS, "invalid value for ai_flags"},
    {UV_EAI_FAIL, "non-recoverable failure in name resolution"},
    {UV_EAI_FAMILY, "ai_family not supported"},
    {UV_EAI_MEMORY, "memory allocation failure"},
    {UV_EAI_NONAME, "host or service not provided, or not known"},
    {UV_EAI_SERVICE, "service not supported for socket type"},
    {UV_EAI_SOCKTYPE, "ai_socktype not supported"},
};

static const char *text_of(int status) {
  size_t i = 0, n = sizeof texts / sizeof *texts;
  while (i < n && texts[i].code != status) i++;
  if (i < n) return texts[i].text;
  if (status > -2000) return strerror(-status); /* an errno; libuv's own begin below */
  if (status > LPB_SOCKET_OPENSSL) return uv_strerror(status);
  const char *text = ERR_reason_error_string((unsigned long)-status);
  return text ? text : "error of OpenSSL";
}

int lpb_socket_fail(lua_State *L, int status) {
  lua_pushnil(L);
  lua_pushstring(L, text_of(status));
  return 2;
}

int lpb_socket_outcome(lua_State *L, int status) {
  if (status < 0) return lpb_socket_fail(L, status);
  lua_pushinteger(L, 1);
  return 1;
}

/* ---- the descriptor ---- */

int lpb_socket_create(lpb_socket *s, int family) {
  if (s->fd >= 0) return 0;
  s->fd = socket(family, s->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->fd < 0) return -errno;
  s->family = family;
  if (family == AF_INET6) setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){1}, sizeof(int));
  return 0;
}

static void end_waits(lpb_socket *s) {
  for (int d = 0; d < LPB_SOCKET_DIRECTIONS; d++) {
    lp_list_each (link, &s->waiting[d])
      lp_op_finish(&lp_list_of(link, socket_op, link)->op, LP_ECLOSED);
  }
}

void lpb_socket_replace(lpb_socket *s, int fd, bool closing) {
  close_poll(s);
  if (closing && s->fd >= 0) close(s->fd);
  s->fd = fd;
}

void lpb_socket_close(lpb_socket *s) {
  bool read = !lp_list_empty(&s->waiting[LPB_SOCKET_READ]); /* it gets what has come */
  end_waits(s);
  if (s->layer && s->fd >= 0) s->layer->close(s);
  lpb_socket_replace(s, -1, true);
  if (read) return;
  s->in.len = s->at = 0;
}

void lpb_socket_forget(lpb_socket *s, int fd) {
  end_waits(s);
  lpb_socket_replace(s, fd, false);
}

void lpb_socket_release(lpb_socket *s) {
  if (--s->holders > 0) return;
  if (s->layer) s->layer->free(s);
  lp_buf_close(&s->in);
  lp_alloc_free(s);
}
