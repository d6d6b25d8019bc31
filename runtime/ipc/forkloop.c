/* ipc/forkloop.c: forks workers on request, reaps them by pid, reports.
 *
 * A pid in a list is not reaped yet, so a signal sent to it reaches the worker and nobody else.
 * No runtime waits for another: what the socket of one does not take now stands in its queue.
 * Layer: ipc. Owner: lp_forkproc_serve. Runs in the forkserver. */
#include "runtime/ipc/forkloop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/buf.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/base/list.h"

typedef struct child {
  lp_list link;
  uint32_t id; /* unique on its connection */
  pid_t pid;
} child;

/* The connection of a runtime. */
typedef struct line {
  lp_list link;
  lp_list children;
  lp_buf reports; /* those that the socket has not taken yet */
  int fd;
  bool ending;      /* The runtime has hung up: the children are being reaped, */
  int64_t deadline; /* until this time. */
} line;

typedef struct forkloop {
  int root; /* -1 when nobody asks for connections any more */
  int signals;
  pid_t self, parent;
  lp_spawn_main main;
  lp_list lines;
  struct pollfd *fds; /* signals, root, then the lines in their order */
  size_t count;       /* of the lines */
  bool starved;       /* no memory or no descriptor for a connection: the process ends */
} forkloop;

enum { FIRST_LINE = 2 }; /* in `fds` */

/* ---- reports ---- */

/* To a runtime that is gone: the next request then says so. */
static void flush(line *c) {
  size_t sent = 0;
  while (sent < c->reports.len) {
    ssize_t n = send(c->fd, c->reports.data + sent, sizeof(lp_forkloop_report),
                     MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    sent += sizeof(lp_forkloop_report);
  }
  lp_buf_consume(&c->reports, sent);
}

static void report(forkloop *l, line *c, lp_forkloop_report r) {
  if (c->ending) return;
  if (lp_buf_append(&c->reports, (const char *)&r, sizeof r) < 0) l->starved = true;
  flush(c);
}

/* ---- children ---- */

static void forget(child *c) {
  lp_list_remove(&c->link);
  lp_alloc_free(c);
}

static void drop_line(forkloop *l, line *c) {
  close(c->fd);
  lp_list_each (it, &c->children) forget(lp_list_of(it, child, link));
  lp_buf_close(&c->reports);
  lp_list_remove(&c->link);
  lp_alloc_free(c);
  l->count--;
}

/* In the child: nothing of the forkserver stays, its memory neither. */
_Noreturn static void become_worker(forkloop *l, const lp_spawn *spawn) {
  if (l->root >= 0) close(l->root);
  close(l->signals);
  lp_list_each (it, &l->lines) drop_line(l, lp_list_of(it, line, link));
  lp_alloc_free(l->fds);
  if (lp_spawn_enter(spawn, l->self) < 0) _exit(EXIT_FAILURE);
  exit(l->main(spawn));
}

/* Returns the child's pid or a negative code. */
static int fork_worker(forkloop *l, line *of, const lp_spawn *spawn) {
  child *c = lp_alloc_new(sizeof *c);
  if (!c) return LP_EMEMORY;
  c->id = spawn->id;
  lp_list_push(&of->children, &c->link);
  c->pid = fork();
  if (c->pid == 0) become_worker(l, spawn);
  if (c->pid > 0) return c->pid;
  int rc = -errno;
  forget(c);
  return rc;
}

/* Returns true when the child has ended; it is then out of the list. */
static bool tell(forkloop *l, line *of, child *c, int status, long peak) {
  if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
    uint32_t kind = WIFSTOPPED(status) ? LP_FORKLOOP_STOPPED : LP_FORKLOOP_CONTINUED;
    report(l, of, (lp_forkloop_report){kind, c->id, c->pid, status, 0, 0});
    return false;
  }
  report(l, of, (lp_forkloop_report){LP_FORKLOOP_ENDED, c->id, c->pid, status, 0, peak});
  forget(c);
  return true;
}

static void reap(forkloop *l, line *of) {
  lp_list_each (it, &of->children) {
    child *c = lp_list_of(it, child, link);
    int status;
    struct rusage used;
    while (wait4(c->pid, &status, WNOHANG | WUNTRACED | WCONTINUED, &used) > 0)
      if (tell(l, of, c, status, used.ru_maxrss)) break;
  }
}

/* KILL, because a stopped worker or one in an endless loop minds nothing else. */
static void end_line(line *c) {
  if (c->ending) return;
  c->ending = true;
  c->deadline = lp_clock_ms() + LP_GRACE_REAP;
  lp_list_each (it, &c->children) kill(lp_list_of(it, child, link)->pid, SIGKILL);
}

/* ---- requests ---- */

/* Descriptors are missing when we had no room for them. */
static void handle_spawn(forkloop *l, line *c, const lp_forkloop_request *r, int *fds, int n) {
  lp_spawn spawn = {r->id, r->slot, fds[0], fds[1], fds[2], fds[3]};
  int rc = n == LP_FORKLOOP_FDS ? fork_worker(l, c, &spawn) : -EMFILE;
  if (rc < 0)
    report(l, c, (lp_forkloop_report){LP_FORKLOOP_ENDED, r->id, 0, -1, rc, 0});
  else
    report(l, c, (lp_forkloop_report){LP_FORKLOOP_STARTED, r->id, rc, 0, 0, 0});
}

static void handle_kill(forkloop *l, line *of, const lp_forkloop_request *r, int *fds, int n) {
  (void)l, (void)fds, (void)n;
  lp_list_each (it, &of->children) {
    child *c = lp_list_of(it, child, link);
    if (c->id == r->id) kill(c->pid, r->signum);
  }
}

/* Keeps the descriptor. A connection that cannot be had is the end of all: the runtime that has
 * asked for it takes its end for ours. */
static void handle_join(forkloop *l, line *root, const lp_forkloop_request *r, int *fds,
                        int n) {
  (void)root, (void)r;
  line *c = lp_alloc_new(sizeof *c);
  struct pollfd *more = lp_alloc_resize(l->fds, (FIRST_LINE + l->count + 1) * sizeof *more);
  if (more) l->fds = more;
  l->starved = l->starved || !c || !more || n != 1;
  if (l->starved) {
    lp_alloc_free(c);
    return;
  }
  lp_list_init(&c->children);
  c->fd = fds[0];
  fds[0] = -1;
  lp_list_push(&l->lines, &c->link);
  l->fds[FIRST_LINE + l->count++] = (struct pollfd){.fd = -1};
}

static void (*const handlers[])(forkloop *, line *, const lp_forkloop_request *, int *, int) = {
    [LP_FORKLOOP_SPAWN] = handle_spawn,
    [LP_FORKLOOP_KILL] = handle_kill,
    [LP_FORKLOOP_JOIN] = handle_join,
};

static int take_fds(struct msghdr *msg, int fds[LP_FORKLOOP_FDS]) {
  struct cmsghdr *c = CMSG_FIRSTHDR(msg);
  if (!c || c->cmsg_type != SCM_RIGHTS) return 0;
  size_t size = c->cmsg_len - CMSG_LEN(0);
  memcpy(fds, CMSG_DATA(c), size);
  return (int)(size / sizeof *fds);
}

/* Handles one request of a connection, or of the root when `c` is NULL. Returns 1, 0 when there
 * is none now, or -1 at the end. */
static int serve_one(forkloop *l, line *c) {
  lp_forkloop_request r;
  _Alignas(struct cmsghdr) char rights[CMSG_SPACE(sizeof(int) * LP_FORKLOOP_FDS)];
  struct iovec iov = {&r, sizeof r};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights, .msg_controllen = sizeof rights};
  ssize_t n = recvmsg(c ? c->fd : l->root, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (n <= 0) return -1;
  if (n != sizeof r || r.kind > LP_FORKLOOP_JOIN || (r.kind == LP_FORKLOOP_JOIN) != !c) abort();
  int fds[LP_FORKLOOP_FDS] = {-1, -1, -1, -1};
  int nfds = take_fds(&msg, fds);
  handlers[r.kind](l, c, &r, fds, nfds);
  for (int i = 0; i < nfds; i++)
    if (fds[i] >= 0) close(fds[i]);
  return 1;
}

int lp_forkloop_send(int fd, const lp_forkloop_request *r, const int *fds, int nfds) {
  _Alignas(struct cmsghdr) char rights[CMSG_SPACE(sizeof(int) * LP_FORKLOOP_FDS)] = {0};
  struct iovec iov = {(void *)r, sizeof *r};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (nfds) {
    msg.msg_control = rights;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){CMSG_LEN(sizeof(int) * (size_t)nfds), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)nfds);
  }
  ssize_t n;
  do n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : 0;
}

/* ---- the loop ---- */

static int64_t wait_until(int64_t until, int64_t deadline) {
  return until < 0 || deadline < until ? deadline : until;
}

/* Waits for a request, room for a report, or a signal; and no longer than for the children of
 * a runtime that has hung up. */
static void wait_event(forkloop *l) {
  int64_t until = -1;
  size_t i = FIRST_LINE;
  l->fds[0] = (struct pollfd){l->signals, POLLIN, 0};
  l->fds[1] = (struct pollfd){l->root, POLLIN, 0};
  lp_list_each (it, &l->lines) {
    const line *c = lp_list_of(it, line, link);
    short wanted = c->reports.len ? POLLIN | POLLOUT : POLLIN;
    l->fds[i++] = (struct pollfd){c->ending ? -1 : c->fd, wanted, 0};
    if (c->ending) until = wait_until(until, c->deadline);
  }
  int64_t left = until < 0 ? -1 : until - lp_clock_ms();
  poll(l->fds, i, until < 0 ? -1 : left > 0 ? (int)left : 0);
  struct signalfd_siginfo info;
  while (read(l->signals, &info, sizeof info) > 0) {
  }
}

/* Requests are read whatever poll has said: it may have been interrupted. */
static void serve_line(forkloop *l, line *c) {
  int rc = c->ending ? 0 : 1;
  reap(l, c);
  if (c->reports.len) flush(c);
  while (rc > 0) rc = serve_one(l, c);
  if (rc < 0) end_line(c);
  if (c->ending) reap(l, c);
  if (c->ending && (lp_list_empty(&c->children) || lp_clock_ms() >= c->deadline))
    drop_line(l, c);
}

static void serve_root(forkloop *l) {
  int rc = l->root < 0 ? 0 : 1;
  while (rc > 0) rc = serve_one(l, NULL);
  if (rc == 0) return;
  close(l->root);
  l->root = -1;
}

static void serve_all(forkloop *l) {
  serve_root(l);
  lp_list_each (it, &l->lines) serve_line(l, lp_list_of(it, line, link));
}

/* SIGCONT is our parent-death signal: it wakes us if somebody stopped us. A change of parent
 * says that main is gone even if some child of it keeps a copy of a socket. */
int lp_forkloop_run(int root, int signals, lp_spawn_main main) {
  forkloop l = {
      .root = root, .signals = signals, .self = getpid(), .parent = getppid(), .main = main};
  lp_list_init(&l.lines);
  l.fds = lp_alloc_new(FIRST_LINE * sizeof *l.fds);
  if (!l.fds) return LP_EMEMORY;
  while ((l.root >= 0 || l.count) && !l.starved && getppid() == l.parent) {
    wait_event(&l);
    serve_all(&l);
  }
  if (l.root >= 0) close(l.root);
  l.root = -1;
  lp_list_each (it, &l.lines) end_line(lp_list_of(it, line, link));
  for (serve_all(&l); l.count; serve_all(&l)) wait_event(&l);
  lp_alloc_free(l.fds);
  return l.starved ? LP_EMEMORY : 0;
}
