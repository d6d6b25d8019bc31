/* ipc/spawn.c: a worker's descriptors, and what a fresh child does to itself.
 *
 * A child keeps the name, the arguments and the session of the forkserver, and so of main.
 * Layer: ipc. The makers run in main, lp_spawn_enter in a worker. */
#include "runtime/ipc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Moves fd above 0, 1 and 2, which are free when a process began without them and which a
 * worker's stdout would overwrite. Returns it or a negative errno, and then fd is closed. */
static int lift(int fd) {
  if (fd > STDERR_FILENO) return fd;
  int high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  int rc = high < 0 ? -errno : high;
  close(fd);
  return rc;
}

static int lift_both(int fds[2]) {
  fds[0] = lift(fds[0]);
  fds[1] = lift(fds[1]);
  int rc = fds[0] < 0 ? fds[0] : fds[1];
  if (rc >= 0) return 0;
  for (int i = 0; i < 2; i++) {
    if (fds[i] >= 0) close(fds[i]);
    fds[i] = -1;
  }
  return rc;
}

int lp_spawn_fill_stdio(void) {
  for (int fd = 0; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    int mode = fd == STDOUT_FILENO ? O_RDONLY : O_RDWR;
    if (open("/dev/null", mode) < 0) return -errno; /* it gets the lowest free number, this */
  }
  return 0;
}

int lp_spawn_pair(int type, int fds[2]) {
  return socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) < 0 ? -errno : lift_both(fds);
}

int lp_spawn_pipe(int fds[2]) {
  return pipe2(fds, O_CLOEXEC) < 0 ? -errno : lift_both(fds);
}

int lp_spawn_page(size_t size) {
  int fd = memfd_create("luapool", MFD_CLOEXEC);
  fd = fd < 0 ? -errno : lift(fd);
  if (fd < 0 || ftruncate(fd, (off_t)size) == 0) return fd;
  int rc = -errno;
  close(fd);
  return rc;
}

void *lp_spawn_map(int page, size_t size) {
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

int lp_spawn_enter(const lp_spawn *spawn, pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return -errno;
  if (getppid() != parent) return -ESRCH; /* it died before the line above */
  if (dup2(spawn->out, STDOUT_FILENO) < 0 || dup2(spawn->err, STDERR_FILENO) < 0) return -errno;
  close(spawn->out);
  close(spawn->err);
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGCHLD);
  sigaddset(&held, SIGCONT);
  return sigprocmask(SIG_UNBLOCK, &held, NULL) < 0 ? -errno : 0;
}
