/* ipc/channel.c: frames over a Unix stream socket, on a libuv loop.
 *
 * One read for each readiness, frames parsed where they were read, one write for each flush.
 * The poll stays armed and is changed only when the socket refuses bytes: a flush that succeeds
 * costs no epoll_ctl. `in` always begins with a frame's head. Layer: ipc. Owner: the embedding
 * struct. Runs in main and in workers. */
#include "runtime/ipc/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/error.h"

#ifdef LP_TINY
enum { READ_SIZE = 8, KEEP = 64 };
#else
/* KEEP: a buffer that a large frame has made bigger than this is given back. */
enum { READ_SIZE = 64 << 10, KEEP = 1 << 20 };
#endif

static void on_poll(uv_poll_t *poll, int status, int events);

static void arm(lp_channel *c) {
  int mask = c->ended ? 0 : UV_READABLE;
  if (!c->ended && (c->full || c->failed)) mask |= UV_WRITABLE;
  if (mask == c->mask) return;
  c->mask = mask;
  int rc = mask ? uv_poll_start(&c->poll, mask, on_poll) : uv_poll_stop(&c->poll);
  if (rc < 0) abort();
}

static void end(lp_channel *c, int status) {
  c->ended = true;
  c->out.len = c->out_start = 0;
  arm(c);
  c->events->ended(c, status == -EPIPE || status == -ECONNRESET ? 0 : status);
}

/* Returns how many bytes of `in` were whole frames, or a negative code. */
static long give_frames(lp_channel *c) {
  size_t at = 0;
  lp_frame frame;
  long n;
  while ((n = lp_frame_read(c->in.data + at, c->in.len - at, &frame)) > 0) {
    at += (size_t)n;
    c->events->frame(c, &frame);
    if (!c->open) return LP_ECLOSED;
  }
  if (at && c->events->batch) c->events->batch(c);
  return n < 0 ? n : (long)at;
}

/* Begins with what is not a whole frame yet: one move for each read. */
static void forget(lp_buf *in, size_t used) {
  if (used) lp_buf_consume(in, used);
  if (in->len == 0 && in->cap > KEEP) lp_buf_close(in);
}

static void take(lp_channel *c, size_t n) {
  c->in.len += n;
  long used = give_frames(c);
  if (!c->open) return;
  if (used < 0)
    end(c, (int)used);
  else
    forget(&c->in, (size_t)used);
}

static ssize_t receive(lp_channel *c) {
  int rc = lp_buf_reserve(&c->in, c->in.cap ? READ_SIZE / 2 : READ_SIZE);
  if (rc < 0) return rc;
  ssize_t n;
  do n = recv(c->fd, c->in.data + c->in.len, c->in.cap - c->in.len, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

static void readable(lp_channel *c) {
  ssize_t n = receive(c);
  if (n > 0)
    take(c, (size_t)n);
  else if (n != -EAGAIN)
    end(c, (int)n);
  else if (c->failed)
    end(c, c->failed);
}

void lp_channel_finish(lp_channel *c) {
  ssize_t n = 0;
  while (c->open && !c->ended && (n = receive(c)) > 0) take(c, (size_t)n);
  if (c->open && !c->ended) end(c, n == -EAGAIN ? 0 : (int)n);
}

/* The rest moves to the front when it is the smaller half, so a byte is moved at most once. */
static void sent(lp_channel *c, size_t n) {
  c->out_start += n;
  if (c->out_start < c->out.len / 2) return;
  lp_buf_consume(&c->out, c->out_start);
  c->out_start = 0;
  if (c->out.len == 0 && c->out.cap > KEEP) lp_buf_close(&c->out);
}

/* Returns 0 when the socket took something or all is written, else a negative errno. */
static int write_once(lp_channel *c) {
  size_t len = lp_channel_pending(c);
  c->full = false;
  if (!len) return 0;
  ssize_t n;
  do n = send(c->fd, c->out.data + c->out_start, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  int rc = n < 0 ? -errno : 0;
  c->full = rc == 0 ? (size_t)n < len : rc == -EAGAIN;
  if (rc == 0) sent(c, (size_t)n);
  return rc;
}

static void writable(lp_channel *c) {
  int rc = c->failed ? c->failed : write_once(c);
  if (rc == 0 || rc == -EAGAIN) return;
  c->failed = rc;
  c->out.len = c->out_start = 0;
}

/* libuv stops a poll whose socket has an error, as when the other end died with bytes unread.
 * What it had sent can be read all the same. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  lp_channel *c = poll->data;
  if (status < 0) {
    c->mask = 0;
    events = UV_READABLE;
  }
  if (events & UV_WRITABLE) writable(c);
  if (events & UV_READABLE || c->failed) readable(c);
  if (c->open) arm(c);
}

int lp_channel_open(lp_channel *c, uv_loop_t *loop, int fd, const lp_channel_events *events,
                    void *owner) {
  *c = (lp_channel){.loop = loop, .events = events, .owner = owner, .fd = fd};
  int rc = uv_poll_init(loop, &c->poll, fd);
  if (rc < 0) return rc;
#ifdef LP_TINY
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){1}, sizeof(int)); /* the kernel's least */
#endif
  c->poll.data = c;
  c->open = true;
  arm(c);
  return 0;
}

void lp_channel_flush(lp_channel *c) {
  if (!c->open || c->ended || c->failed) {
    c->out.len = c->out_start = 0;
  } else if (!(c->mask & UV_WRITABLE)) {
    writable(c);
    arm(c);
  }
}

int lp_channel_drain(lp_channel *c) {
  if (!c->open || c->ended) return LP_ECLOSED;
  while (lp_channel_pending(c) && !c->failed) {
    struct pollfd room = {.fd = c->fd, .events = POLLOUT};
    if (poll(&room, 1, -1) > 0) writable(c);
  }
  arm(c);
  return c->failed;
}

size_t lp_channel_pending(const lp_channel *c) {
  return c->out.len - c->out_start;
}

void lp_channel_ref(lp_channel *c, bool on) {
  if (on)
    uv_ref((uv_handle_t *)&c->poll);
  else
    uv_unref((uv_handle_t *)&c->poll);
}

/* Only now: the frame that is being read points into `in` when its callback closes the channel.
 */
static void on_closed(uv_handle_t *handle) {
  lp_channel *c = handle->data;
  lp_buf_close(&c->in);
  lp_buf_close(&c->out);
  if (c->closed) c->closed(c);
}

bool lp_channel_close(lp_channel *c, void (*closed)(lp_channel *c)) {
  if (!c->open) return false;
  c->open = false;
  c->closed = closed;
  uv_close((uv_handle_t *)&c->poll, on_closed);
  close(c->fd);
  return true;
}
