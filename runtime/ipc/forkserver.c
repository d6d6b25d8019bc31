/* ipc/forkserver.c: starts the forkserver, and main's end of it.
 *
 * Main never waits for the forkserver (but in lp_forkserver_close): what the control socket
 * does not take now stands in a queue, with copies of its descriptors, in the order it was
 * asked for. The loop of the process itself is forkloop.c. Layer: ipc. Owner: the runtime in
 * main; lp_forkserver_serve alone runs in the forkserver. */
#include "runtime/ipc/forkserver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/base/list.h"
#include "runtime/ipc/forkloop.h"

/* What a terminal, a service manager or a user sends to all of us: main decides. */
static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR2, SIGXFSZ};

enum { PROGRAM_FD = 3 }; /* the control socket of `program --forkserver` */

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
  lp_list queue; /* of pending */
  pid_t pid;     /* 0 when it is reaped */
  int fd;
  int mask; /* what the poll is armed for */
  bool open;
};

/* The process. */

static void ignore_signals(void) {
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
}

/* Keeps stderr, for a last word, and the control socket; all else that was inherited is closed,
 * so that no worker holds a pipe or a port of main. A libuv that was in use forgets its own
 * pipe first: it would close those numbers in each fork, whatever they are by then. */
static int keep_only(int fd) {
  uv_library_shutdown();
  close(STDIN_FILENO);
  close(STDOUT_FILENO);
  int rc = lp_spawn_fill_stdio();
  if (rc < 0) return rc;
  if (fd > STDERR_FILENO + 1) close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
  close_range((unsigned)fd + 1, ~0U, 0);
  return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static int open_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGCONT);
  if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

int lp_forkserver_serve(int fd, lp_spawn_main main) {
  ignore_signals();
  if (keep_only(fd) < 0) return EXIT_FAILURE;
  int signals = open_signals();
  if (signals < 0 || prctl(PR_SET_PDEATHSIG, SIGCONT) < 0) return EXIT_FAILURE;
  lp_forkloop_run(fd, signals, main);
  return EXIT_SUCCESS;
}

/* Signals wait while we fork: until it ignores them, one from the terminal would kill the
 * child. */
int lp_forkserver_fork(lp_spawn_main main, pid_t *pid) {
  int pair[2] = {-1, -1};
  int rc = lp_spawn_fill_stdio();
  if (rc == 0) rc = lp_spawn_pair(SOCK_SEQPACKET, pair);
  if (rc < 0) return rc;
  fflush(NULL); /* or each worker writes what stands in stdio's buffers once more */
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  *pid = fork();
  rc = *pid < 0 ? -errno : pair[0];
  if (*pid == 0) ignore_signals();
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (*pid == 0) _exit(lp_forkserver_serve(pair[1], main));
  close(pair[1]);
  if (rc < 0) close(pair[0]);
  return rc;
}

/* A thread of the host may have signals blocked that a worker needs. */
static int spawn_program(const char *program, int fd, pid_t *pid) {
  sigset_t all, none;
  sigfillset(&all);
  sigemptyset(&none);
  posix_spawnattr_t attr;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_init(&attr);
  posix_spawnattr_setsigdefault(&attr, &all);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  posix_spawn_file_actions_init(&actions);
  int rc = posix_spawn_file_actions_adddup2(&actions, fd, PROGRAM_FD);
  char name[] = "luapool", flag[] = "--forkserver";
  char *argv[] = {name, flag, NULL};
  if (rc == 0) rc = posix_spawnp(pid, program, &actions, &attr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attr);
  return -rc;
}

int lp_forkserver_exec(const char *program, pid_t *pid) {
  int pair[2];
  int rc = lp_spawn_pair(SOCK_SEQPACKET, pair);
  if (rc < 0) return rc;
  rc = spawn_program(program, pair[1], pid);
  close(pair[1]);
  if (rc == 0) return pair[0];
  close(pair[0]);
  return rc;
}

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

/* Waits for the end of a forkserver that main has hung up on, or that is dead. One that
 * somebody stops is made to go on, but not for ever. When it is reaped the kernel has already
 * sent its workers their KILL. */
static void reap(pid_t pid) {
  enum { MOST_STOPS = 5 };
  int status;
  kill(pid, SIGCONT);
  for (int stops = 0;;) {
    bool ok = waitpid(pid, &status, WUNTRACED) == pid;
    if (ok && WIFSTOPPED(status))
      kill(pid, ++stops < MOST_STOPS ? SIGCONT : SIGKILL);
    else if (ok || errno != EINTR)
      return;
  }
}

static void arm(lp_forkserver *fs) {
  int mask = fs->pid ? UV_READABLE | (lp_list_empty(&fs->queue) ? 0 : UV_WRITABLE) : 0;
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
  reap(fs->pid);
  fs->pid = 0;
  arm(fs);
  fs->events->gone(fs);
}

/* Main's end: requests. */

/* Returns 0 or a negative errno; -EAGAIN when the socket is full. */
static int send_now(const lp_forkserver *fs, const lp_forkloop_request *r, const int *fds,
                    int nfds) {
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
  do n = sendmsg(fs->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : 0;
}

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
  if (!fs->open || !fs->pid) return LP_ECLOSED;
  int rc = lp_list_empty(&fs->queue) ? send_now(fs, r, fds, nfds) : -EAGAIN;
  return rc == -EAGAIN ? queue_request(fs, r, fds, nfds) : rc;
}

/* A spawn that was accepted and fails now is reported as one that could not be forked. */
static void writable(lp_forkserver *fs) {
  while (fs->open && !lp_list_empty(&fs->queue)) {
    pending *p = lp_list_of(fs->queue.next, pending, link);
    int rc = send_now(fs, &p->request, p->fds, p->nfds);
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
  if (fs->open && fs->pid && status == 0 && events & UV_WRITABLE) writable(fs);
  if (fs->open) arm(fs);
}

/* The handle. */

int lp_forkserver_open(lp_forkserver **out, uv_loop_t *loop, int fd, pid_t pid,
                       const lp_forkserver_events *events, void *owner) {
  lp_forkserver *fs = lp_alloc_new(sizeof *fs);
  if (!fs) return LP_EMEMORY;
  int rc = uv_poll_init(loop, &fs->poll, fd);
  if (rc < 0) {
    lp_alloc_free(fs);
    return rc;
  }
  fs->poll.data = fs;
  fs->events = events;
  fs->owner = owner;
  lp_list_init(&fs->queue);
  fs->pid = pid;
  fs->fd = fd;
  fs->open = true;
  uv_unref((uv_handle_t *)&fs->poll);
  arm(fs);
  *out = fs;
  return 0;
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
  if (fs->pid) kill(fs->pid, SIGCONT);
}

/* Shut down, not only closed: a child of the host may hold a copy of the socket. */
void lp_forkserver_hang_up(int fd, pid_t pid) {
  shutdown(fd, SHUT_RDWR);
  close(fd);
  reap(pid);
}

void lp_forkserver_close(lp_forkserver *fs) {
  if (!fs || !fs->open) return;
  fs->open = false;
  while (!lp_list_empty(&fs->queue)) drop(lp_list_of(fs->queue.next, pending, link));
  uv_close((uv_handle_t *)&fs->poll, on_closed);
  if (fs->pid)
    lp_forkserver_hang_up(fs->fd, fs->pid);
  else
    close(fs->fd);
  fs->pid = 0;
}
