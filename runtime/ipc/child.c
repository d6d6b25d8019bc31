/* ipc/child.c: programs, and the keeper beside their process.
 *
 * A program tells the keeper its pid before it is executed, and looks then whether we are still
 * there: at no moment is there a program that nobody would kill. The keeper knows that we are
 * gone by its parent-death signal, and by the end of file on its socket. Layer: ipc. Process:
 * main and workers; `keep`, `become` and `wait_for` run in a child. */
#include "runtime/ipc/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/ipc/spawn.h"

/* How many programs a process may have at once. */
enum { MOST = 1 << 16 };

/* ---- killing: by the keeper too, which has no heap ---- */

enum { LIST = 1 << 20 }; /* bytes: room for the pids of more children than a process has */

/* Adds what stands in the file to the list. */
static void read_list(const char *path, char *list, size_t *len) {
  ssize_t n;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  while (*len < LIST && (n = read(fd, list + *len, LIST - *len)) > 0) *len += (size_t)n;
  close(fd);
}

/* Lists the children of a process, those of each of its threads: each pid is followed by a
 * space. Returns the length of the list. */
static size_t list_children(pid_t pid, char *list) {
  char path[64];
  _Alignas(uint64_t) char entries[1024];
  size_t len = 0;
  long n;
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return 0;
  while ((n = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
    uint16_t size;
    for (long at = 0; at < n; at += size) {
      memcpy(&size, entries + at + 16, sizeof size); /* d_reclen; the name is at 19 */
      int thread = atoi(entries + at + 19);
      snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, thread);
      if (thread > 0) read_list(path, list, &len);
    }
  }
  close(fd);
  return len;
}

static void kill_tree(pid_t pid);

static void kill_listed(const char *list, size_t len) {
  pid_t pid = 0;
  for (size_t i = 0; i < len; i++) {
    bool digit = list[i] >= '0' && list[i] <= '9';
    if (!digit && pid > 0) kill_tree(pid);
    pid = digit ? pid * 10 + (list[i] - '0') : 0;
  }
}

/* The list is complete before the first child is killed: where the parent ignores SIGCHLD the
 * dead leave the list, and reading on would skip others. It is read again until it stays the
 * same: a fork that had begun before the parent was stopped may have added to it. */
static void kill_children(pid_t pid) {
  char *lists =
      mmap(NULL, 2 * LIST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  size_t before = 0, len;
  if (lists == MAP_FAILED) return;
  char *last = lists, *list = lists + LIST;
  while ((len = list_children(pid, list)) != before || memcmp(list, last, len) != 0) {
    kill_listed(list, len);
    char *other = last;
    last = list;
    list = other;
    before = len;
  }
  munmap(lists, 2 * LIST);
}

/* A process that is stopped starts no further children. It dies after them: until then they
 * are its children. */
static void kill_tree(pid_t pid) {
  if (kill(pid, SIGSTOP) < 0) return;
  kill_children(pid);
  kill(pid, SIGKILL);
}

static pid_t reap(pid_t pid, int *status, int flags) {
  pid_t done;
  do done = waitpid(pid, status, flags);
  while (done < 0 && errno == EINTR);
  return done;
}

/* Children are found by means of two descriptors. When we have all that we may have, a process
 * with room for more does the killing. */
void lp_child_kill(const lp_child *c) {
  int room[2];
  bool full = lp_spawn_pipe(room) < 0;
  pid_t helper = full ? fork() : -1;
  if (helper == 0) {
    close_range(STDERR_FILENO + 1, ~0U, 0);
    kill_tree(c->pid);
    _exit(0);
  }
  if (!full) {
    close(room[0]);
    close(room[1]);
  }
  if (helper < 0)
    kill_tree(c->pid);
  else
    reap(helper, NULL, 0);
}

/* ---- the keeper ---- */

/* What it is told: the pid of a program, or minus that when the program has ended. */
typedef struct programs {
  pid_t *pids;
  int n;
  bool over; /* there is nobody who tells */
} programs;

static void note(programs *p, pid_t told) {
  if (told > 0 && p->n < MOST) p->pids[p->n++] = told;
  for (int i = p->n - 1; told < 0 && i >= 0; i--)
    if (p->pids[i] == -told) {
      p->pids[i] = p->pids[--p->n];
      return;
    }
}

/* Receives one message and asks the kernel who has sent it. Returns its length, 0 at the end,
 * or -1 with errno. */
static ssize_t receive(int line, pid_t *told, pid_t *sender) {
  union {
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {told, sizeof *told};
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control};
  ssize_t n = recvmsg(line, &msg, MSG_DONTWAIT | MSG_TRUNC);
  struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
  struct ucred from = {0};
  if (c && c->cmsg_type == SCM_CREDENTIALS) memcpy(&from, CMSG_DATA(c), sizeof from);
  *sender = from.pid;
  return n;
}

/* Reads all that has been told. A program tells its own pid, and only we tell an end: whatever
 * else a script has written to our descriptors names nobody who is to be killed. */
static void hear(int line, pid_t parent, programs *p) {
  pid_t told, sender;
  ssize_t n;
  while ((n = receive(line, &told, &sender)) > 0)
    if (n == sizeof told && sender == (told > 0 ? told : parent) && told != parent)
      note(p, told);
  p->over = n == 0 || (errno != EAGAIN && errno != EINTR);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

/* A sanitizer keeps its own memory, without which no line of ours can run, in such places. */
#ifdef SANITIZED
static void drop_memory(void) {}
#else
/* Gives back the memory that the fork has left to it: the process that goes on would have to
 * copy what it writes to. What is small may be needed here (the data of libraries). */
static void drop_memory(void) {
  enum { SMALL = 1 << 20 };
  unsigned long from, to;
  char access[8], name[128], line[256];
  FILE *maps = fopen("/proc/self/maps", "re");
  void *dropped[256][2];
  int n = 0;
  while (maps && n < 256 && fgets(line, sizeof line, maps)) {
    name[0] = 0;
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %127s", &from, &to, access, name) < 3) continue;
    bool anonymous = !name[0] || strcmp(name, "[heap]") == 0;
    if (!anonymous || strcmp(access, "rw-p") != 0 || to - from < SMALL) continue;
    if ((char *)from <= line && line < (char *)to) continue; /* our stack */
    dropped[n][0] = (void *)from;
    dropped[n++][1] = (void *)to;
  }
  for (int i = 0; i < n; i++)
    madvise(dropped[i][0], (size_t)((char *)dropped[i][1] - (char *)dropped[i][0]),
            MADV_DONTNEED);
}
#endif

/* All signals are blocked. Nothing that we had open stays so here. */
_Noreturn static void keep(int line, pid_t parent) {
  programs p = {.pids = mmap(NULL, MOST * sizeof(pid_t), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
  sigset_t term;
  if (p.pids == MAP_FAILED) _exit(1);
  if (line > 0) close_range(0, (unsigned)line - 1, 0);
  close_range((unsigned)line + 1, ~0U, 0);
  prctl(PR_SET_NAME, "luapool-keeper");
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  drop_memory();
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  struct pollfd fds[] = {{line, POLLIN, 0}, {signalfd(-1, &term, SFD_CLOEXEC), POLLIN, 0}};
  for (bool orphaned = false; !orphaned && !p.over;) {
    if (poll(fds, 2, getppid() == parent ? -1 : 0) > 0 && fds[1].revents)
      fds[1].fd = -1; /* the signal need not be that of our death */
    orphaned = getppid() != parent;
    hear(line, parent, &p);
  }
  for (int i = 0; i < p.n; i++) kill_tree(p.pids[i]);
  _exit(0);
}

static void tell(const lp_keeper *k, pid_t pid) {
  while (send(k->line, &pid, sizeof pid, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

/* One that has nothing to do need not be awake for that: somebody may have stopped it. */
void lp_child_close_keeper(lp_keeper *k) {
  if (!k->pid) return;
  close(k->line);
  kill(k->pid, k->programs ? SIGCONT : SIGKILL);
  reap(k->pid, NULL, 0);
  *k = (lp_keeper){0};
}

static int open_keeper(lp_keeper *k) {
  int line[2];
  if (k->pid && reap(k->pid, NULL, WNOHANG) == 0) return 0;
  if (k->pid) close(k->line); /* somebody has killed it */
  k->pid = 0;
  int on = 1, rc = lp_spawn_pair(SOCK_SEQPACKET, line);
  if (rc < 0) return rc;
  setsockopt(line[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) keep(line[1], parent);
  rc = pid < 0 ? -errno : 0;
  close(line[1]);
  if (rc < 0) {
    close(line[0]);
    return rc;
  }
  k->pid = pid;
  k->line = line[0];
  return 0;
}

/* ---- the program ---- */

static void reset_signals(void) {
  const struct sigaction action = {.sa_handler = SIG_DFL};
  sigset_t none;
  for (int i = 1; i < NSIG; i++) sigaction(i, &action, NULL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts a descriptor in its place. One that is inherited waits for its data, whatever libuv has
 * made of ours. Returns 0 or -1. */
static int place(int from, int to) {
  if (from < 0) from = open("/dev/null", to == STDIN_FILENO ? O_RDONLY : O_RDWR);
  if (from < 0) return -1;
  if (from != to) return dup2(from, to) < 0 ? -1 : 0;
  int flags = fcntl(to, F_GETFL);
  return flags < 0 ? 0 : fcntl(to, F_SETFL, flags & ~O_NONBLOCK);
}

/* Returns only when the program cannot be executed, with errno. The memory may be that of the
 * parent: nothing is written but what stands on the stack. */
static void become(const lp_child_options *o, const lp_keeper *k, pid_t parent) {
  tell(k, getpid());
  if (getppid() != parent) _exit(127);
  for (int i = 0; i < 3; i++)
    if (place(o->fds[i], i) < 0) return;
  if (o->cwd && chdir(o->cwd) < 0) return;
  if (o->env) environ = o->env;
  reset_signals();
  if (o->command)
    execl("/bin/sh", "sh", "-c", o->command, (char *)NULL);
  else
    execvp(o->args[0], o->args);
}

/* NOLINTBEGIN(clang-analyzer-unix.Vfork,clang-analyzer-security.insecureAPI.vfork): signals are
 * blocked, and the child writes to nothing of ours. */

/* One with an environment of its own is looked for along its own $PATH, so it needs a memory of
 * its own. Returns a pid or a negative errno. */
static int fork_program(const lp_keeper *k, const lp_child_options *o, const int errors[2]) {
  pid_t parent = getpid(), pid = o->env ? fork() : vfork();
  if (pid != 0) return pid < 0 ? -errno : pid;
  become(o, k, parent);
  int error = errno;
  ssize_t n = write(errors[1], &error, sizeof error);
  _exit(n == sizeof error ? 127 : 126);
}

/* NOLINTEND(clang-analyzer-unix.Vfork,clang-analyzer-security.insecureAPI.vfork) */

/* ---- the waiter ---- */

/* The program stays a zombie, so that its pid is no other's, until we are hung up on. */
_Noreturn static void wait_for(const lp_keeper *k, const lp_child_options *o,
                               const int errors[2], int line) {
  const struct sigaction standard = {.sa_handler = SIG_DFL};
  siginfo_t info;
  sigaction(SIGCHLD, &standard, NULL);
  int status, pid = fork_program(k, o, errors);
  if (line > 0) close_range(0, (unsigned)line - 1, 0);
  close_range((unsigned)line + 1, ~0U, 0);
  if (send(line, &pid, sizeof pid, MSG_NOSIGNAL) < 0 || pid < 0) _exit(1);
  while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }
  bool exited = info.si_code == CLD_EXITED;
  status = exited ? info.si_status << 8 : info.si_status;
  if (info.si_code == CLD_DUMPED) status |= 0x80; /* as waitpid tells it */
  send(line, &status, sizeof status, MSG_NOSIGNAL);
  while (read(line, &status, sizeof status) < 0 && errno == EINTR) {
  }
  _exit(0);
}

/* Returns whether the program was started, 0 or a negative errno. A waiter sends us no signal
 * at its end and is no child that the host waits for. What it does is allowed in the child of a
 * process with threads, without what fork() would do beside. */
static int fork_waiter(lp_child *c, const lp_child_options *o, const int errors[2]) {
  int line[2], told, rc = lp_spawn_pair(SOCK_STREAM, line);
  if (rc < 0) return rc;
  pid_t waiter = (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
  if (waiter == 0) wait_for(c->keeper, o, errors, line[1]);
  rc = waiter < 0 ? -errno : 0;
  close(line[1]);
  if (rc == 0 && recv(line[0], &told, sizeof told, 0) != sizeof told) told = -ESRCH;
  if (rc == 0 && told < 0) {
    reap(waiter, NULL, __WALL);
    rc = told;
  }
  if (rc < 0) {
    close(line[0]);
    return rc;
  }
  c->pid = told;
  c->waiter = waiter;
  c->line = line[0];
  return 0;
}

/* ---- starting and ending ---- */

/* Returns 0 when the program runs, or what has kept it from that. */
static int read_error(int fd) {
  int error = 0;
  ssize_t n;
  do n = read(fd, &error, sizeof error);
  while (n < 0 && errno == EINTR);
  return n == sizeof error ? -error : 0;
}

/* The program has ended. Tells the keeper, before its pid may be another's, and reaps it. */
static void forget(const lp_child *c, int *status) {
  tell(c->keeper, -c->pid);
  c->keeper->programs--;
  if (c->waiter) {
    shutdown(c->line, SHUT_RDWR); /* a copy may be watched */
    close(c->line);
    reap(c->waiter, NULL, __WALL);
  } else if (reap(c->pid, status, 0) < 0) {
    *status = LP_CHILD_LOST;
  }
}

/* Nobody else waits for our children, and they stay until we do. */
static bool has_own_children(void) {
  struct sigaction now;
  return sigaction(SIGCHLD, NULL, &now) == 0 && now.sa_handler == SIG_DFL &&
         !(now.sa_flags & SA_NOCLDWAIT);
}

static int start(lp_child *c, const lp_child_options *o) {
  int errors[2], status, rc = lp_spawn_pipe(errors);
  if (rc < 0) return rc;
  if (has_own_children()) {
    rc = fork_program(c->keeper, o, errors);
    if (rc > 0) c->pid = rc;
  } else {
    rc = fork_waiter(c, o, errors);
  }
  close(errors[1]);
  if (c->pid) {
    c->keeper->programs++;
    rc = read_error(errors[0]);
  }
  close(errors[0]);
  if (rc < 0 && c->pid) lp_child_wait(c, true, &status);
  return rc;
}

/* Signals wait: none must reach a child before its dispositions are its own. */
int lp_child_start(lp_child *c, lp_keeper *keeper, const lp_child_options *options) {
  sigset_t all, before;
  *c = (lp_child){.keeper = keeper};
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int rc = keeper ? open_keeper(keeper) : -ENOMEM;
  if (rc == 0) rc = start(c, options);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

int lp_child_watch(const lp_child *c) {
  int fd = c->waiter ? fcntl(c->line, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                     : (int)syscall(SYS_pidfd_open, c->pid, 0);
  return fd < 0 ? -errno : fd;
}

/* A waiter that was killed knows nothing. */
static bool ask_waiter(const lp_child *c, bool block, int *status) {
  ssize_t n;
  do n = recv(c->line, status, sizeof *status, block ? 0 : MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN) return false;
  if (n != sizeof *status) *status = LP_CHILD_LOST;
  return true;
}

static bool has_ended(const lp_child *c, bool block) {
  siginfo_t info = {0};
  int rc, flags = WEXITED | WNOWAIT | (block ? 0 : WNOHANG);
  do rc = waitid(P_PID, (id_t)c->pid, &info, flags);
  while (rc < 0 && errno == EINTR);
  return rc < 0 || info.si_pid != 0;
}

bool lp_child_wait(const lp_child *c, bool block, int *status) {
  if (!(c->waiter ? ask_waiter(c, block, status) : has_ended(c, block))) return false;
  forget(c, status);
  return true;
}
