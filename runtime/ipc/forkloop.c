/* ipc/forkloop.c: forks workers on request, reaps them by pid, reports.
 *
 * A pid in the list is not reaped yet, so a signal sent to it reaches the worker and nobody
 * else. Sends to main may block: main never blocks on us, so this ends. Layer: ipc. Owner:
 * lp_forkserver_serve. Runs in the forkserver. */
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
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/base/list.h"

typedef struct child {
  lp_list link;
  uint32_t id;
  pid_t pid;
} child;

typedef struct forkloop {
  int control, signals;
  pid_t self, parent;
  lp_spawn_main main;
  lp_list children;
} forkloop;

/* When main is gone nobody reads it: the next request then says so. */
static void report(forkloop *l, lp_forkloop_report r) {
  while (send(l->control, &r, sizeof r, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

static void forget(child *c) {
  lp_list_remove(&c->link);
  lp_alloc_free(c);
}

/* In the child: nothing of the forkserver stays, its memory neither. */
_Noreturn static void become_worker(forkloop *l, const lp_spawn *spawn) {
  close(l->control);
  close(l->signals);
  lp_list_each (it, &l->children) forget(lp_list_of(it, child, link));
  if (lp_spawn_enter(spawn, l->self) < 0) _exit(EXIT_FAILURE);
  exit(l->main(spawn));
}

/* Returns the child's pid or a negative code. */
static int fork_worker(forkloop *l, const lp_spawn *spawn) {
  child *c = lp_alloc_new(sizeof *c);
  if (!c) return LP_EMEMORY;
  c->id = spawn->id;
  lp_list_push(&l->children, &c->link);
  c->pid = fork();
  if (c->pid == 0) become_worker(l, spawn);
  if (c->pid > 0) return c->pid;
  int rc = -errno;
  forget(c);
  return rc;
}

/* Descriptors are missing when we had no room for them. */
static void handle_spawn(forkloop *l, const lp_forkloop_request *r, const int *fds, int nfds) {
  lp_spawn spawn = {r->id, r->slot, fds[0], fds[1], fds[2], fds[3]};
  int rc = nfds == LP_FORKLOOP_FDS ? fork_worker(l, &spawn) : -EMFILE;
  if (rc < 0)
    report(l, (lp_forkloop_report){LP_FORKLOOP_ENDED, r->id, 0, -1, rc, 0});
  else
    report(l, (lp_forkloop_report){LP_FORKLOOP_STARTED, r->id, rc, 0, 0, 0});
}

static void handle_kill(forkloop *l, const lp_forkloop_request *r, const int *fds, int nfds) {
  (void)fds;
  (void)nfds;
  lp_list_each (it, &l->children) {
    child *c = lp_list_of(it, child, link);
    if (c->id == r->id) kill(c->pid, r->signum);
  }
}

static void (*const handlers[])(forkloop *, const lp_forkloop_request *, const int *, int) = {
    [LP_FORKLOOP_SPAWN] = handle_spawn,
    [LP_FORKLOOP_KILL] = handle_kill,
};

static int take_fds(struct msghdr *msg, int fds[LP_FORKLOOP_FDS]) {
  struct cmsghdr *c = CMSG_FIRSTHDR(msg);
  if (!c || c->cmsg_type != SCM_RIGHTS) return 0;
  size_t size = c->cmsg_len - CMSG_LEN(0);
  memcpy(fds, CMSG_DATA(c), size);
  return (int)(size / sizeof *fds);
}

/* Handles one request. Returns 1, 0 when there is none now, or -1 when main is gone. */
static int serve_one(forkloop *l) {
  lp_forkloop_request r;
  _Alignas(struct cmsghdr) char rights[CMSG_SPACE(sizeof(int) * LP_FORKLOOP_FDS)];
  struct iovec iov = {&r, sizeof r};
  struct msghdr msg = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = rights, .msg_controllen = sizeof rights};
  ssize_t n = recvmsg(l->control, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (n <= 0) return -1;
  if (n != sizeof r || r.kind > LP_FORKLOOP_KILL) abort();
  int fds[LP_FORKLOOP_FDS] = {-1, -1, -1, -1};
  int nfds = take_fds(&msg, fds);
  handlers[r.kind](l, &r, fds, nfds);
  for (int i = 0; i < nfds; i++) close(fds[i]);
  return 1;
}

/* Returns true when the child has ended; it is then out of the list. */
static bool tell(forkloop *l, child *c, int status, long peak) {
  if (WIFSTOPPED(status) || WIFCONTINUED(status)) {
    uint32_t kind = WIFSTOPPED(status) ? LP_FORKLOOP_STOPPED : LP_FORKLOOP_CONTINUED;
    report(l, (lp_forkloop_report){kind, c->id, c->pid, status, 0, 0});
    return false;
  }
  report(l, (lp_forkloop_report){LP_FORKLOOP_ENDED, c->id, c->pid, status, 0, peak});
  forget(c);
  return true;
}

static void reap(forkloop *l) {
  lp_list_each (it, &l->children) {
    child *c = lp_list_of(it, child, link);
    int status;
    struct rusage used;
    while (wait4(c->pid, &status, WNOHANG | WUNTRACED | WCONTINUED, &used) > 0)
      if (tell(l, c, status, used.ru_maxrss)) break;
  }
}

/* Waits for a request (unless control is -1) or a signal. */
static void wait_event(forkloop *l, int control, int ms) {
  struct pollfd fds[] = {{l->signals, POLLIN, 0}, {control, POLLIN, 0}};
  poll(fds, 2, ms);
  struct signalfd_siginfo info;
  while (read(l->signals, &info, sizeof info) > 0) {
  }
}

/* KILL, because a stopped worker or one in an endless loop minds nothing else. */
static void finish(forkloop *l) {
  lp_list_each (it, &l->children) kill(lp_list_of(it, child, link)->pid, SIGKILL);
  int64_t left, deadline = lp_clock_ms() + LP_GRACE_REAP;
  for (reap(l); !lp_list_empty(&l->children) && (left = deadline - lp_clock_ms()) > 0; reap(l))
    wait_event(l, -1, (int)left);
}

/* SIGCONT is our parent-death signal: it wakes us if somebody stopped us. A change of parent
 * says that main is gone even if some child of it keeps a copy of the control socket. */
void lp_forkloop_run(int control, int signals, lp_spawn_main main) {
  forkloop l = {.control = control,
                .signals = signals,
                .self = getpid(),
                .parent = getppid(),
                .main = main};
  lp_list_init(&l.children);
  int rc;
  do {
    wait_event(&l, control, -1);
    reap(&l);
    while ((rc = serve_one(&l)) > 0) {
    }
  } while (rc == 0 && getppid() == l.parent);
  finish(&l);
}
