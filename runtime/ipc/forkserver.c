/* ipc/forkserver.c: a runtime's connection to the forkserver.
 *
 * Main never waits for the forkserver (but in lp_forkserver_close): what the connection does
 * not take now stands in a queue, with copies of its descriptors, in the order it was asked
 * for. Layer: ipc. Owner: the runtime in main. */
#include "runtime/ipc/forkserver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/base/list.h"
#include "runtime/ipc/forkloop.h"
#include "runtime/ipc/forkproc.h"

typedef struct pending {
  lp_list link;
  lp_forkloop_request request;
  int fds[LP_FORKLOOP_FDS];
  int nfds;
} pending;

struct lp_forkserver {
  uv_poll_t poll;
  const lp_forkserver_events *events;
  void *owner;
  lp_forkproc *process;
  lp_list queue; /* of pending */
  int fd;
  int mask; /* what the poll is armed for */
  bool open;
  bool lost; /* The forkserver has died. */
};

/* Main's end: reports. */

static void on_poll(uv_poll_t *poll, int status, int events);

static void tell_started(lp_forkserver *fs, const lp_forkloop_report *r) {
  fs->events->started(fs, r->id, r->pid);
}

static void tell_ended(lp_forkserver *fs, const lp_forkloop_report *r) {
  const lp_forkserver_end end = {r->pid, r->status, r->error, r->peak};
  fs->events->ended(fs, r->id, &end);
}

static void tell_stopped(lp_forkserver *fs, const lp_forkloop_report *r) {
  fs->events->stopped(fs, r->id, r->pid, r->kind == LP_FORKLOOP_STOPPED);
}

static void (*const tell[LP_FORKLOOP_REPORTS])(lp_forkserver *, const lp_forkloop_report *) = {
    [LP_FORKLOOP_STARTED] = tell_started,
    [LP_FORKLOOP_ENDED] = tell_ended,
    [LP_FORKLOOP_STOPPED] = tell_stopped,
    [LP_FORKLOOP_CONTINUED] = tell_stopped,
};

static void arm(lp_forkserver *fs) {
  int mask = fs->lost ? 0 : UV_READABLE | (lp_list_empty(&fs->queue) ? 0 : UV_WRITABLE);
  if (mask == fs->mask) return;
  fs->mask = mask;
  int rc = mask ? uv_poll_start(&fs->poll, mask, on_poll) : uv_poll_stop(&fs->poll);
  if (rc < 0) abort();
}

static void readable(lp_forkserver *fs) {
  lp_forkloop_report r;
  ssize_t n = -1;
  while (fs->open && (n = recv(fs->fd, &r, sizeof r, MSG_DONTWAIT)) == sizeof r)
    if (r.kind < LP_FORKLOOP_REPORTS) tell[r.kind](fs, &r);
  if (!fs->open || (n < 0 && (errno == EAGAIN || errno == EINTR))) return;
  lp_forkproc_lost(fs->process);
  fs->lost = true;
  arm(fs);
  fs->events->gone(fs);
}

/* Main's end: requests. */

static void drop(pending *p) {
  for (int i = 0; i < p->nfds; i++) close(p->fds[i]);
  lp_list_remove(&p->link);
  lp_alloc_free(p);
}

static int queue_request(lp_forkserver *fs, const lp_forkloop_request *r, const int *fds,
                         int nfds) {
  pending *p = lp_alloc_new(sizeof *p);
  if (!p) return LP_EMEMORY;
  lp_list_init(&p->link);
  p->request = *r;
  for (; p->nfds < nfds; p->nfds++) {
    int fd = fcntl(fds[p->nfds], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0) {
      int rc = -errno;
      drop(p);
      return rc;
    }
    p->fds[p->nfds] = fd;
  }
  lp_list_push(&fs->queue, &p->link);
  arm(fs);
  return 0;
}

static int request(lp_forkserver *fs, const lp_forkloop_request *r, const int *fds, int nfds) {
  if (!fs->open || fs->lost) return LP_ECLOSED;
  int rc = lp_list_empty(&fs->queue) ? lp_forkloop_send(fs->fd, r, fds, nfds) : -EAGAIN;
  return rc == -EAGAIN ? queue_request(fs, r, fds, nfds) : rc;
}

/* A spawn that was accepted and fails now is reported as one that could not be forked. */
static void writable(lp_forkserver *fs) {
  while (fs->open && !lp_list_empty(&fs->queue)) {
    pending *p = lp_list_of(fs->queue.next, pending, link);
    int rc = lp_forkloop_send(fs->fd, &p->request, p->fds, p->nfds);
    if (rc == -EAGAIN) return;
    lp_forkloop_request r = p->request;
    drop(p);
    const lp_forkserver_end end = {.status = -1, .error = rc};
    if (rc < 0 && r.kind == LP_FORKLOOP_SPAWN) fs->events->ended(fs, r.id, &end);
  }
}

/* libuv stops a poll whose socket has an error, as when the forkserver died with requests
 * unread. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  lp_forkserver *fs = poll->data;
  if (status < 0) fs->mask = 0;
  if (status < 0 || events & UV_READABLE) readable(fs);
  if (fs->open && !fs->lost && status == 0 && events & UV_WRITABLE) writable(fs);
  if (fs->open) arm(fs);
}

/* The handle. */

/* Another runtime may not have noticed yet that the forkserver is dead. */
static int connect_to(lp_forkproc **process, int handle, const char *program) {
  enum { TRIES = 3 };
  int rc = -EPIPE;
  for (int i = 0; i < TRIES && rc == -EPIPE; i++) {
    rc = lp_forkproc_open(process, handle, program);
    if (rc < 0) return rc;
    rc = lp_forkproc_connect(*process);
    if (rc == -EPIPE) lp_forkproc_lost(*process);
    if (rc < 0) lp_forkproc_close(*process);
  }
  return rc;
}

int lp_forkserver_open(lp_forkserver **out, uv_loop_t *loop, int handle, const char *program,
                       const lp_forkserver_events *events, void *owner) {
  lp_forkserver *fs = lp_alloc_new(sizeof *fs);
  if (!fs) return LP_EMEMORY;
  int rc = connect_to(&fs->process, handle, program);
  if (rc < 0) goto fail;
  fs->fd = rc;
  rc = uv_poll_init(loop, &fs->poll, fs->fd);
  if (rc < 0) goto fail_connected;
  fs->poll.data = fs;
  fs->events = events;
  fs->owner = owner;
  lp_list_init(&fs->queue);
  fs->open = true;
  uv_unref((uv_handle_t *)&fs->poll);
  arm(fs);
  *out = fs;
  return 0;
fail_connected:
  close(fs->fd);
  lp_forkproc_close(fs->process);
fail:
  lp_alloc_free(fs);
  return rc;
}

void *lp_forkserver_owner(lp_forkserver *fs) {
  return fs->owner;
}

int lp_forkserver_spawn(lp_forkserver *fs, const lp_spawn *spawn) {
  lp_forkloop_request r = {.kind = LP_FORKLOOP_SPAWN, .id = spawn->id, .slot = spawn->slot};
  int fds[LP_FORKLOOP_FDS] = {spawn->channel, spawn->out, spawn->err, spawn->page};
  return request(fs, &r, fds, LP_FORKLOOP_FDS);
}

int lp_forkserver_kill(lp_forkserver *fs, uint32_t id, int signum) {
  lp_forkloop_request r = {.kind = LP_FORKLOOP_KILL, .id = id, .signum = signum};
  return request(fs, &r, NULL, 0);
}

static void on_closed(uv_handle_t *handle) {
  lp_alloc_free(handle->data);
}

void lp_forkserver_wake(lp_forkserver *fs) {
  lp_forkproc_wake(fs->process);
}

pid_t lp_forkserver_pid(const lp_forkserver *fs) {
  return lp_forkproc_pid(fs->process);
}

/* Waits until the forkserver hangs up, too. One that somebody stops meanwhile is made to go on,
 * but not for ever. */
static void await_end(const lp_forkserver *fs) {
  enum { LOOK = 100 };
  int64_t deadline = lp_clock_ms() + LP_GRACE_REAP + LP_GRACE_AGAIN;
  lp_forkloop_report r;
  ssize_t n = 1;
  while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
    struct pollfd end = {.fd = fs->fd, .events = POLLIN};
    lp_forkproc_wake(fs->process);
    if (poll(&end, 1, LOOK) <= 0 && lp_clock_ms() > deadline) return;
    n = recv(fs->fd, &r, sizeof r, MSG_DONTWAIT);
  }
}

/* Shut down, not only closed: a child of the host may hold a copy of the socket. */
void lp_forkserver_close(lp_forkserver *fs) {
  if (!fs || !fs->open) return;
  fs->open = false;
  while (!lp_list_empty(&fs->queue)) drop(lp_list_of(fs->queue.next, pending, link));
  uv_close((uv_handle_t *)&fs->poll, on_closed);
  shutdown(fs->fd, SHUT_WR);
  if (!fs->lost) await_end(fs);
  close(fs->fd);
  lp_forkproc_close(fs->process);
}
