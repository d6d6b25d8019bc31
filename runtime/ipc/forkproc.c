/* ipc/forkproc.c: starts forkservers, shares them, and ends them.
 *
 * The list of them is the one thing that the runtimes of a process share, so it has a lock. The
 * loop of the process itself is forkloop.c. Layer: ipc. */
#include "runtime/ipc/forkproc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/ipc/forkloop.h"

/* What a terminal, a service manager or a user sends to all of us: main decides. */
static const int ignored[] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE,
                              SIGUSR1, SIGUSR2, SIGALRM, SIGXFSZ};

enum { ROOT_FD = 3 }; /* the socket in the forkserver: its lowest, so the first to be closed */

struct lp_forkproc {
  lp_forkproc *next;
  /* What it was started from; NULL when it was forked. */
  char *program;
  /* Our end of the socket on which it is asked for connections. */
  int root;
  pid_t pid;
  /* The process that has started it: a child of the host that goes on with a copy of our memory
   * has none. */
  pid_t parent;
  /* How many runtimes use it; the handle of a forked one counts, too. */
  int users;
  bool dead;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static lp_forkproc *first; /* under the lock, as the fields of all of them that change */

/* ---- the process ---- */

static void ignore_signals(void) {
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  signal(SIGCHLD, SIG_DFL);
}

/* Keeps stderr, for a last word, and the socket, which it moves; all else that was inherited is
 * closed, so that no worker holds a pipe or a port of main. A libuv that was in use forgets its
 * own pipe first: it would close those numbers in each fork, whatever they are by then. */
static int keep_only(int fd) {
  uv_library_shutdown();
  close(STDIN_FILENO);
  close(STDOUT_FILENO);
  int rc = lp_spawn_fill_stdio();
  if (rc < 0) return rc;
  if (fd != ROOT_FD && dup2(fd, ROOT_FD) < 0) return -errno;
  close_range(ROOT_FD + 1, ~0U, 0);
  return fcntl(ROOT_FD, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
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

int lp_forkproc_serve(int fd, lp_spawn_main main) {
  ignore_signals();
  if (keep_only(fd) < 0) return EXIT_FAILURE;
  int signals = open_signals();
  if (signals < 0 || prctl(PR_SET_PDEATHSIG, SIGCONT) < 0) return EXIT_FAILURE;
  return lp_forkloop_run(ROOT_FD, signals, main) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- starting one ---- */

/* Signals wait while we fork: until it ignores them, one from the terminal would kill the
 * child. Returns our end of the socket, or a negative errno. */
static int fork_process(lp_spawn_main main, pid_t *pid) {
  int pair[2] = {-1, -1};
  int rc = lp_spawn_fill_stdio();
  if (rc == 0) rc = lp_spawn_pair(SOCK_SEQPACKET, pair);
  if (rc < 0) return rc;
  fflush(NULL); /* or each worker writes what stands in stdio's buffers once more */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  *pid = fork();
  rc = *pid < 0 ? -errno : pair[0];
  if (*pid == 0) ignore_signals();
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (*pid == 0) _exit(lp_forkproc_serve(pair[1], main));
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
  int rc = posix_spawn_file_actions_adddup2(&actions, fd, ROOT_FD);
  char name[] = "luapool", flag[] = "--forkserver";
  char *argv[] = {name, flag, NULL};
  if (rc == 0) rc = posix_spawnp(pid, program, &actions, &attr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attr);
  return -rc;
}

static int spawn_process(const char *program, pid_t *pid) {
  int pair[2];
  int rc = lp_spawn_pair(SOCK_SEQPACKET, pair);
  if (rc < 0) return rc;
  rc = spawn_program(program, pair[1], pid);
  close(pair[1]);
  if (rc == 0) return pair[0];
  close(pair[0]);
  return rc;
}

static void free_entry(lp_forkproc *p) {
  lp_alloc_free(p->program);
  lp_alloc_free(p);
}

/* Starts one of either kind and adds it to the list. */
static int start(lp_forkproc **out, const char *program, lp_spawn_main main) {
  lp_forkproc *p = lp_alloc_new(sizeof *p);
  int rc = p ? 0 : LP_EMEMORY;
  if (p && program) {
    p->program = lp_alloc_new(strlen(program) + 1);
    if (p->program)
      strcpy(p->program, program);
    else
      rc = LP_EMEMORY;
  }
  if (rc == 0) rc = program ? spawn_process(program, &p->pid) : fork_process(main, &p->pid);
  if (rc < 0) {
    if (p) free_entry(p);
    return rc;
  }
  p->root = rc;
  p->parent = getpid();
  p->next = first;
  first = *out = p;
  return 0;
}

/* ---- ending one ---- */

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

/* Shut down, not only closed: a child of the host may hold a copy of the socket. */
static void drop_user(lp_forkproc *p) {
  if (--p->users > 0) return;
  lp_forkproc **at = &first;
  while (*at != p) at = &(*at)->next;
  *at = p->next;
  shutdown(p->root, SHUT_RDWR);
  close(p->root);
  if (!p->dead) reap(p->pid);
  free_entry(p);
}

/* ---- the list ---- */

static bool is_started_from(const lp_forkproc *p, const char *program) {
  return p->program && strcmp(p->program, program) == 0;
}

/* Finds the one that was forked as `handle`, or, with a program, that was started from it. */
static lp_forkproc *find(int handle, const char *program) {
  for (lp_forkproc *p = first; p; p = p->next) {
    if (p->dead || p->parent != getpid()) continue;
    if (program ? is_started_from(p, program) : !p->program && p->root == handle) return p;
  }
  return NULL;
}

int lp_forkproc_fork(lp_spawn_main main) {
  lp_forkproc *p;
  pthread_mutex_lock(&lock);
  int rc = start(&p, NULL, main);
  if (rc == 0) {
    p->users = 1;
    rc = p->root;
  }
  pthread_mutex_unlock(&lock);
  return rc;
}

void lp_forkproc_end(int handle) {
  pthread_mutex_lock(&lock);
  lp_forkproc *p = first;
  while (p && (p->program || p->root != handle)) p = p->next;
  if (p) drop_user(p);
  pthread_mutex_unlock(&lock);
}

int lp_forkproc_open(lp_forkproc **out, int handle, const char *program) {
  pthread_mutex_lock(&lock);
  lp_forkproc *p = find(handle, NULL);
  if (!p) p = find(0, program);
  int rc = p ? 0 : start(&p, program, NULL);
  if (rc == 0) {
    p->users++;
    *out = p;
  }
  pthread_mutex_unlock(&lock);
  return rc;
}

void lp_forkproc_close(lp_forkproc *p) {
  pthread_mutex_lock(&lock);
  drop_user(p);
  pthread_mutex_unlock(&lock);
}

void lp_forkproc_lost(lp_forkproc *p) {
  pthread_mutex_lock(&lock);
  if (!p->dead) reap(p->pid);
  p->dead = true;
  pthread_mutex_unlock(&lock);
}

int lp_forkproc_connect(const lp_forkproc *p) {
  const lp_forkloop_request r = {.kind = LP_FORKLOOP_JOIN};
  int pair[2], rc = lp_spawn_pair(SOCK_SEQPACKET, pair);
  if (rc < 0) return rc;
  rc = lp_forkloop_send(p->root, &r, &pair[1], 1);
  close(pair[1]);
  if (rc == 0) return pair[0];
  close(pair[0]);
  return rc == -ECONNRESET ? -EPIPE : rc;
}

pid_t lp_forkproc_pid(const lp_forkproc *p) {
  pthread_mutex_lock(&lock);
  pid_t pid = p->dead ? 0 : p->pid;
  pthread_mutex_unlock(&lock);
  return pid;
}

void lp_forkproc_wake(const lp_forkproc *p) {
  pid_t pid = lp_forkproc_pid(p);
  if (pid) kill(pid, SIGCONT);
}
