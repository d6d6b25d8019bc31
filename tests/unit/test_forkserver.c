/* tests/unit/test_forkserver.c: real workers, forked by a real forkserver, killed by real
 * signals.
 *
 * What a worker does is chosen by its slot (the table `parts`). This program is also the one
 * that lp_forkproc_open starts, as `test_forkserver --forkserver`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "runtime/base/error.h"
#include "runtime/ipc/forkproc.h"
#include "runtime/ipc/forkserver.h"
#include "tests/support/clean.h"

enum { PAGE = 4096, MOST = 512, GUARD_S = 30 };

/* The workers. */

enum { ECHOES = 1, LEAVES, SPINS, STOPS, SLEEPS, SELF, PARTS };

static int part_echo(const lp_spawn *s) {
  char byte;
  while (read(s->channel, &byte, 1) == 1)
    if (write(s->channel, &byte, 1) != 1) return 1;
  return 0;
}

static int part_leave(const lp_spawn *s) {
  return (int)s->id % 100;
}

static int part_spin(const lp_spawn *s) {
  volatile uint32_t n = s->id;
  for (;;) n++;
  return 0;
}

static int part_stop(const lp_spawn *s) {
  kill(getpid(), SIGSTOP);
  return part_echo(s);
}

static int part_sleep(const lp_spawn *s) {
  while (s->id) pause();
  return 0;
}

/* Says on its channel what is wrong with it, by one letter each, then "." */
static int part_self(const lp_spawn *s) {
  static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
  struct stat null, in;
  if (stat("/dev/null", &null) || fstat(0, &in) || null.st_rdev != in.st_rdev)
    dprintf(s->channel, "i");
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) {
    struct sigaction old;
    if (sigaction(ignored[i], NULL, &old) || old.sa_handler != SIG_IGN)
      dprintf(s->channel, "s");
  }
  sigset_t mask;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  if (sigismember(&mask, SIGCHLD) || sigismember(&mask, SIGCONT)) dprintf(s->channel, "m");
  if (!(fcntl(s->channel, F_GETFD) & FD_CLOEXEC) || !(fcntl(s->page, F_GETFD) & FD_CLOEXEC))
    dprintf(s->channel, "c");
  if (fcntl(1, F_GETFD) || fcntl(2, F_GETFD)) dprintf(s->channel, "x");
  for (int fd = 3; fd < 100; fd++)
    if (fd != s->channel && fd != s->page && fcntl(fd, F_GETFD) >= 0) dprintf(s->channel, "f");
  int death;
  if (prctl(PR_GET_PDEATHSIG, &death) || death != SIGKILL) dprintf(s->channel, "p");
  uint32_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, s->page, 0);
  page[s->slot] = s->id;
  printf("to out %u\n", s->id); /* left in the buffer: exit writes it */
  fprintf(stderr, "to err %u\n", s->id);
  dprintf(s->channel, ".");
  return 0;
}

static int (*const parts[PARTS])(const lp_spawn *) = {
    [ECHOES] = part_echo, [LEAVES] = part_leave, [SPINS] = part_spin,
    [STOPS] = part_stop,  [SLEEPS] = part_sleep, [SELF] = part_self,
};

static int worker_main(const lp_spawn *s) {
  return parts[s->slot](s);
}

/* Main's side. */

typedef struct worker {
  pid_t pid;
  int status, error;
  int started, ended, stops, conts;
  int channel; /* main's end */
} worker;

typedef struct server {
  lp_forkserver *fs;
  uv_loop_t *loop;
  int handle; /* of a forkserver that was forked, or 0 */
  pid_t pid;
  int gone, started, ended;
  bool close_when_ended;
  worker workers[MOST];
} server;

static void on_started(lp_forkserver *fs, uint32_t id, pid_t pid) {
  server *s = lp_forkserver_owner(fs);
  assert_int_equal(s->workers[id].ended, 0);
  s->workers[id].pid = pid;
  s->workers[id].started++;
  s->started++;
}

static void on_ended(lp_forkserver *fs, uint32_t id, const lp_forkserver_end *end) {
  server *s = lp_forkserver_owner(fs);
  worker *w = &s->workers[id];
  if (w->started) assert_int_equal(w->pid, end->pid);
  if (w->started) assert_true(end->peak > 0);
  w->status = end->status;
  w->error = end->error;
  w->ended++;
  s->ended++;
  if (s->close_when_ended) lp_forkserver_close(fs);
}

static void on_stopped(lp_forkserver *fs, uint32_t id, pid_t pid, bool stopped) {
  worker *w = &((server *)lp_forkserver_owner(fs))->workers[id];
  assert_int_equal(w->pid, pid);
  if (stopped)
    w->stops++;
  else
    w->conts++;
}

static void on_gone(lp_forkserver *fs) {
  ((server *)lp_forkserver_owner(fs))->gone++;
}

static const lp_forkserver_events events = {on_started, on_ended, on_stopped, on_gone};

static server *open_at(uv_loop_t *loop, int handle, const char *program) {
  server *s = calloc(1, sizeof *s);
  s->loop = loop;
  s->handle = handle;
  assert_int_equal(lp_forkserver_open(&s->fs, loop, handle, program, &events, s), 0);
  s->pid = lp_forkserver_pid(s->fs);
  return s;
}

static server *open_server(uv_loop_t *loop) {
  int handle = lp_forkproc_fork(worker_main);
  assert_true(handle > 2);
  return open_at(loop, handle, "/no/such/program");
}

/* Spawns into pipes whose read ends go to out[2], or, when NULL, into this program's stderr. */
static int spawn_into(server *s, uint32_t id, uint32_t slot, int out[2], int page) {
  int pair[2], o[2] = {-1, dup(2)}, e[2] = {-1, dup(2)};
  if (out) {
    close(o[1]);
    close(e[1]);
    assert_int_equal(lp_spawn_pipe(o), 0);
    assert_int_equal(lp_spawn_pipe(e), 0);
    out[0] = o[0];
    out[1] = e[0];
  }
  assert_int_equal(lp_spawn_pair(SOCK_STREAM, pair), 0);
  lp_spawn spawn = {id, slot, pair[1], o[1], e[1], page};
  int rc = lp_forkserver_spawn(s->fs, &spawn);
  s->workers[id].channel = pair[0];
  close(pair[1]);
  close(o[1]);
  close(e[1]);
  return rc;
}

static int new_page(void) {
  int page = lp_spawn_page(PAGE);
  assert_true(page > 2);
  return page;
}

static void spawn(server *s, uint32_t id, uint32_t slot) {
  int page = new_page();
  assert_int_equal(spawn_into(s, id, slot, NULL, page), 0);
  close(page);
}

static void on_guard(uv_timer_t *timer) {
  *(bool *)timer->data = true;
}

/* Turns the loop until *what is `n`, for GUARD_S at most. */
static bool reaches(server *s, const int *what, int n) {
  bool late = false;
  uv_timer_t guard = {.data = &late};
  uv_timer_init(s->loop, &guard);
  uv_timer_start(&guard, on_guard, GUARD_S * 1000, 0);
  while (*what != n && !late) uv_run(s->loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&guard, NULL);
  uv_run(s->loop, UV_RUN_NOWAIT);
  return *what == n;
}

static void until(server *s, const int *what, int n) {
  assert_true(reaches(s, what, n));
}

static bool echoes(int fd) {
  char byte = 'e';
  return write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1 && byte == 'e';
}

static void close_server(server *s) {
  lp_forkserver_close(s->fs);
  lp_forkproc_end(s->handle);
  uv_run(s->loop, UV_RUN_DEFAULT);
  for (int i = 0; i < MOST; i++)
    if (s->workers[i].channel) close(s->workers[i].channel);
  free(s);
}

/* Reads until the end of file. */
static void expect_text(int fd, const char *text) {
  char bytes[200];
  size_t len = 0;
  ssize_t n;
  while ((n = read(fd, bytes + len, sizeof bytes - 1 - len)) > 0) len += (size_t)n;
  bytes[len] = 0;
  assert_string_equal(bytes, text);
  close(fd);
}

static void test_open_and_close(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  assert_int_equal(uv_run(&t->loop, UV_RUN_DEFAULT), 0); /* it does not keep the loop alive */
  close_server(s);
  lp_forkserver_close(NULL);
}

static void check_worker(server *s, const char *complaints) {
  int out[2], page = new_page();
  uint32_t *words = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, page, 0);
  int not_mine = open("/dev/null", O_RDONLY); /* without CLOEXEC, later than the forkserver */
  assert_int_equal(spawn_into(s, 77, SELF, out, page), 0);
  until(s, &s->ended, 1);
  expect_text(out[0], "to out 77\n");
  expect_text(out[1], "to err 77\n");
  expect_text(s->workers[77].channel, complaints);
  s->workers[77].channel = 0;
  assert_int_equal(s->workers[77].started, 1);
  assert_int_equal(s->workers[77].status, 0);
  assert_int_equal(words[SELF], 77);
  munmap(words, PAGE);
  close(page);
  close(not_mine);
}

static void test_worker_is_clean(void **state) {
  clean *t = *state;
  int inherited[2]; /* the forkserver and its workers must not keep them */
  assert_int_equal(pipe(inherited), 0);
  server *s = open_server(&t->loop);
  check_worker(s,
               "ff."); /* libuv's own pair, for it was in use when the forkserver was forked */
  close(inherited[1]);
  expect_text(inherited[0], "");
  close_server(s);
}

/* A host with all signals blocked and some ignored. */
static void test_exec(void **state) {
  clean *t = *state;
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  server *s = open_at(&t->loop, 0, "/proc/self/exe");
  sigprocmask(SIG_SETMASK, &before, NULL);
  check_worker(s, ".");
  close_server(s);
  lp_forkproc *none;
  assert_int_equal(lp_forkproc_open(&none, 0, "/no/such/program"), -ENOENT);
}

static void test_exit_status(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  for (uint32_t id = 0; id < 50; id++) spawn(s, id, LEAVES);
  until(s, &s->ended, 50);
  for (int id = 0; id < 50; id++) {
    assert_int_equal(s->workers[id].started, 1);
    assert_true(WIFEXITED(s->workers[id].status));
    assert_int_equal(WEXITSTATUS(s->workers[id].status), id);
    assert_int_equal(s->workers[id].error, 0);
  }
  close_server(s);
}

static void test_kill(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  for (uint32_t id = 1; id <= 3; id++) spawn(s, id, id == 2 ? SPINS : ECHOES);
  until(s, &s->started, 3);
  lp_forkserver_kill(s->fs, 1, SIGTERM);  /* ignored */
  lp_forkserver_kill(s->fs, 99, SIGKILL); /* nobody */
  lp_forkserver_kill(s->fs, 2, SIGKILL);
  until(s, &s->ended, 1);
  assert_true(WIFSIGNALED(s->workers[2].status));
  assert_int_equal(WTERMSIG(s->workers[2].status), SIGKILL);
  lp_forkserver_kill(s->fs, 2, SIGKILL); /* reaped */
  assert_true(echoes(s->workers[1].channel));
  assert_true(echoes(s->workers[3].channel));
  close(s->workers[3].channel); /* nobody else holds a copy, so it sees the end */
  s->workers[3].channel = 0;
  until(s, &s->workers[3].ended, 1);
  assert_int_equal(s->workers[3].status, 0);
  assert_int_equal(s->workers[1].ended, 0);
  close_server(s);
}

static void test_stop_and_continue(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  spawn(s, 5, STOPS);
  until(s, &s->workers[5].stops, 1);
  lp_forkserver_kill(s->fs, 5, SIGCONT);
  until(s, &s->workers[5].conts, 1);
  assert_true(echoes(s->workers[5].channel));
  lp_forkserver_kill(s->fs, 5, SIGSTOP);
  until(s, &s->workers[5].stops, 2);
  lp_forkserver_kill(s->fs, 5, SIGKILL);
  until(s, &s->ended, 1);
  close_server(s);
}

/* Closing kills and reaps: one that waits, one that spins, one that is stopped; a stopped
 * forkserver too. */
static void test_close_kills(void **state) {
  clean *t = *state;
  for (int stopped = 0; stopped < 2; stopped++) {
    server *s = open_server(&t->loop);
    spawn(s, 1, ECHOES);
    spawn(s, 2, SPINS);
    spawn(s, 3, STOPS);
    until(s, &s->started, 3);
    until(s, &s->workers[3].stops, 1);
    pid_t pids[] = {s->workers[1].pid, s->workers[2].pid, s->workers[3].pid};
    if (stopped) kill(s->pid, SIGSTOP);
    close_server(s);
    for (int i = 0; i < 3; i++) assert_true(kill(pids[i], 0) < 0 && errno == ESRCH);
  }
}

static void test_close_in_callback(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  for (uint32_t id = 0; id < 20; id++) spawn(s, id, LEAVES);
  s->close_when_ended = true;
  until(s, &s->ended, 1);
  s->fs = NULL;
  close_server(s);
}

/* Whether what our children leave behind becomes ours, so that we can tell that it is dead. */
static void adopt(bool on) {
  assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, on), 0);
}

/* The forkserver is killed: its workers go with it, main is told. */
static void test_gone(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  spawn(s, 1, ECHOES);
  spawn(s, 2, SPINS);
  spawn(s, 3, STOPS);
  until(s, &s->started, 3);
  until(s, &s->workers[3].stops, 1);
  adopt(true);
  kill(s->pid, SIGKILL);
  until(s, &s->gone, 1);
  adopt(false);
  for (int id = 1; id <= 3; id++) {
    int status;
    assert_int_equal(waitpid(s->workers[id].pid, &status, 0), s->workers[id].pid);
    if (WIFEXITED(status)) /* so young that it found its parent gone */
      assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
    else
      assert_int_equal(WTERMSIG(status), SIGKILL);
  }
  assert_int_equal(lp_forkserver_kill(s->fs, 1, SIGKILL), LP_ECLOSED);
  int page = new_page();
  assert_int_equal(spawn_into(s, 4, ECHOES, NULL, page), LP_ECLOSED);
  close(page);
  close_server(s);
}

/* It dies with requests unread: libuv reports an error of the socket. */
static void test_gone_with_requests(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  kill(s->pid, SIGSTOP);
  for (uint32_t id = 0; id < 5; id++) spawn(s, id, ECHOES);
  kill(s->pid, SIGKILL);
  until(s, &s->gone, 1);
  assert_int_equal(s->started, 0);
  close_server(s);
}

/* The control socket is full: requests wait in order, none is lost, main goes on. */
static void test_full_socket(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  kill(s->pid, SIGSTOP);
  waitpid(s->pid, NULL, WUNTRACED);
  for (int i = 0; i < 1000; i++) assert_int_equal(lp_forkserver_kill(s->fs, 400, SIGKILL), 0);
  for (uint32_t id = 0; id < 100; id++) spawn(s, id, id ? LEAVES : ECHOES);
  assert_int_equal(lp_forkserver_kill(s->fs, 0, SIGKILL), 0);
  uv_run(&t->loop, UV_RUN_NOWAIT);
  assert_int_equal(s->started, 0);
  kill(s->pid, SIGCONT);
  until(s, &s->ended, 100);
  assert_int_equal(WTERMSIG(s->workers[0].status), SIGKILL);
  for (int id = 1; id < 100; id++) assert_int_equal(WEXITSTATUS(s->workers[id].status), id);
  close_server(s);
}

static void test_close_with_queue(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  kill(s->pid, SIGSTOP);
  waitpid(s->pid, NULL, WUNTRACED);
  for (int i = 0; i < 1000; i++) lp_forkserver_kill(s->fs, 400, SIGKILL);
  for (uint32_t id = 0; id < 10; id++) spawn(s, id, ECHOES);
  close_server(s);
}

/* No descriptor left in the forkserver, then room again. */
static void test_no_descriptors(void **state) {
  clean *t = *state;
  server *s = open_server(&t->loop);
  spawn(s, 0, LEAVES);
  until(s, &s->ended, 1);
  struct rlimit few, before;
  assert_int_equal(prlimit(s->pid, RLIMIT_NOFILE, NULL, &before), 0);
  few = (struct rlimit){6, before.rlim_max};
  assert_int_equal(prlimit(s->pid, RLIMIT_NOFILE, &few, NULL), 0);
  spawn(s, 1, ECHOES);
  until(s, &s->ended, 2);
  assert_int_equal(s->workers[1].status, -1);
  assert_int_equal(s->workers[1].error, -EMFILE);
  assert_int_equal(s->workers[1].started, 0);
  assert_int_equal(prlimit(s->pid, RLIMIT_NOFILE, &before, NULL), 0);
  spawn(s, 2, LEAVES);
  until(s, &s->ended, 3);
  assert_int_equal(WEXITSTATUS(s->workers[2].status), 2);
  close_server(s);
}

/* ---- several runtimes ---- */

/* A second connection goes on when the first one is closed, with its workers. */
static void share(clean *t, int handle, const char *program) {
  server *a = open_at(&t->loop, handle, program), *b = open_at(&t->loop, handle, program);
  assert_int_equal(a->pid, b->pid);
  spawn(a, 1, SPINS);
  spawn(b, 1, ECHOES); /* the same number */
  until(a, &a->started, 1);
  until(b, &b->started, 1);
  lp_forkserver_kill(a->fs, 1, SIGSTOP);
  until(a, &a->workers[1].stops, 1);
  assert_int_equal(b->workers[1].stops, 0);
  pid_t pid = a->workers[1].pid;
  a->handle = 0;
  close_server(a);
  assert_true(kill(pid, 0) < 0 && errno == ESRCH);
  assert_true(echoes(b->workers[1].channel));
  spawn(b, 2, LEAVES);
  until(b, &b->ended, 1);
  assert_int_equal(WEXITSTATUS(b->workers[2].status), 2);
  pid = b->pid;
  b->handle = 0;
  close_server(b);
  assert_true((kill(pid, 0) == 0) == (handle > 0)); /* a forked one waits for others */
}

static void test_shared_forked(void **state) {
  int handle = lp_forkproc_fork(worker_main);
  share(*state, handle, "/no/such/program");
  share(*state, handle, "/no/such/program");
  lp_forkproc_end(handle);
  lp_forkproc_end(handle);
}

static void test_shared_started(void **state) {
  share(*state, 0, "/proc/self/exe");
}

/* When it is killed all runtimes are told, and the first that wants another one starts it for
 * all. */
static void test_shared_gone(void **state) {
  clean *t = *state;
  int handle = lp_forkproc_fork(worker_main);
  server *a = open_at(&t->loop, handle, "/proc/self/exe");
  server *b = open_at(&t->loop, handle, "/proc/self/exe");
  spawn(b, 1, ECHOES);
  until(b, &b->started, 1);
  kill(a->pid, SIGKILL);
  until(a, &a->gone, 1);
  until(b, &b->gone, 1);
  assert_int_equal(lp_forkserver_pid(a->fs), 0);
  server *c = open_at(&t->loop, handle, "/proc/self/exe");
  server *d = open_at(&t->loop, handle, "/proc/self/exe");
  assert_int_not_equal(c->pid, a->pid);
  assert_int_equal(c->pid, d->pid);
  spawn(d, 1, LEAVES);
  until(d, &d->ended, 1);
  server *all[] = {a, b, c, d};
  for (int i = 0; i < 4; i++) close_server(all[i]);
}

/* It is killed, and a runtime connects before any other has noticed. */
static void test_connect_to_dead(void **state) {
  clean *t = *state;
  int handle = lp_forkproc_fork(worker_main);
  server *a = open_at(&t->loop, handle, "/proc/self/exe");
  kill(a->pid, SIGKILL);
  siginfo_t info;
  assert_int_equal(waitid(P_PID, (id_t)a->pid, &info, WEXITED | WNOWAIT), 0);
  server *b = open_at(&t->loop, handle, "/proc/self/exe");
  spawn(b, 1, LEAVES);
  until(b, &b->ended, 1);
  close_server(b);
  close_server(a);
}

/* One runtime reads nothing, though it is told more than a socket takes; the other does not
 * feel it. Workers that cannot be forked, for want of descriptors, are quickly told of. */
static void test_one_does_not_read(void **state) {
  clean *t = *state;
  uv_loop_t other;
  assert_int_equal(uv_loop_init(&other), 0);
  server *a = open_server(&other), *b = open_at(&t->loop, a->handle, "none");
  spawn(b, 0, LEAVES);
  until(b, &b->ended, 1); /* so both connections are there */
  struct rlimit few, before;
  assert_int_equal(prlimit(a->pid, RLIMIT_NOFILE, NULL, &before), 0);
  few = (struct rlimit){7, before.rlim_max};
  assert_int_equal(prlimit(a->pid, RLIMIT_NOFILE, &few, NULL), 0);
  for (uint32_t id = 0; id < MOST; id++) {
    spawn(a, id, LEAVES);
    if (id % 50 == 0) spawn(b, id + 1, LEAVES);
    if (id % 50 == 0) until(b, &b->ended, (int)id / 50 + 2);
  }
  assert_int_equal(prlimit(a->pid, RLIMIT_NOFILE, &before, NULL), 0);
  spawn(b, 499, LEAVES);
  until(b, &b->workers[499].ended, 1);
  assert_int_equal(WEXITSTATUS(b->workers[499].status), 99);
  until(a, &a->ended, MOST);
  b->handle = 0;
  close_server(b);
  close_server(a);
  assert_int_equal(uv_loop_close(&other), 0);
}

enum { THREADS = 8, ROUNDS = 25 };

typedef struct thread {
  pthread_t thread;
  int handle;
  pid_t pid;
  int wrong;
} thread;

/* What a thread does may not stop the test: it counts. */
static void *use_in_thread(void *arg) {
  thread *t = arg;
  uv_loop_t loop;
  t->wrong += uv_loop_init(&loop) != 0;
  for (int i = 0; i < ROUNDS; i++) {
    server *s = calloc(1, sizeof *s);
    s->loop = &loop; /* and its `handle` stays 0: it is not ended */
    t->wrong += lp_forkserver_open(&s->fs, &loop, t->handle, "none", &events, s) != 0;
    t->wrong += lp_forkserver_pid(s->fs) != t->pid;
    int page = lp_spawn_page(PAGE);
    t->wrong += spawn_into(s, 1, LEAVES, NULL, page) != 0;
    close(page);
    t->wrong += !reaches(s, &s->ended, 1);
    t->wrong += WEXITSTATUS(s->workers[1].status) != 1;
    close_server(s);
  }
  t->wrong += uv_loop_close(&loop) != 0;
  return NULL;
}

static void test_threads(void **state) {
  clean *c = *state;
  server *s = open_server(&c->loop);
  thread threads[THREADS] = {0};
  for (int i = 0; i < THREADS; i++) {
    threads[i].handle = s->handle;
    threads[i].pid = s->pid;
    assert_int_equal(pthread_create(&threads[i].thread, NULL, use_in_thread, &threads[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i].thread, NULL);
    assert_int_equal(threads[i].wrong, 0);
  }
  close_server(s);
}

/* A program that is started without 0, 1 and 2. In a process of its own; returns what went
 * wrong. */
static int run_closed_stdio(void) {
  int pair[2], pipes[2], page = lp_spawn_page(PAGE);
  if (lp_spawn_pair(SOCK_STREAM, pair) || lp_spawn_pipe(pipes)) return 1;
  if (page < 3 || pair[0] < 3 || pair[1] < 3 || pipes[0] < 3 || pipes[1] < 3) return 2;
  int handle = lp_forkproc_fork(worker_main);
  uv_loop_t loop;
  if (fcntl(2, F_GETFD) < 0 || uv_loop_init(&loop)) return 3;
  server *s = calloc(1, sizeof *s);
  if (handle < 3 || lp_forkserver_open(&s->fs, &loop, handle, "none", &events, s)) return 4;
  lp_spawn spawn = {1, ECHOES, pair[1], pipes[1], pipes[1], page};
  if (lp_forkserver_spawn(s->fs, &spawn)) return 5;
  close(pair[1]);
  if (!echoes(pair[0])) return 6;
  lp_forkserver_close(s->fs);
  lp_forkproc_end(handle);
  uv_run(&loop, UV_RUN_DEFAULT);
  free(s);
  return uv_loop_close(&loop) ? 7 : 0;
}

static void test_closed_stdio(void **state) {
  (void)state;
  pid_t pid = fork();
  if (pid == 0) {
    for (int fd = 0; fd < 3; fd++) close(fd);
    _exit(run_closed_stdio());
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
}

enum { LEFT = 5, COPY = LEFT, TOLD };

/* A main that starts three workers, one of which spins and one of which is stopped, tells the
 * pids of all and sleeps. With `copy` a child of it holds its descriptors; with `stop` its
 * forkserver is stopped. */
static void run_main(int told, bool copy, bool stop) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  server *s = open_server(&loop);
  spawn(s, 1, SLEEPS);
  spawn(s, 2, SPINS);
  spawn(s, 3, STOPS);
  until(s, &s->started, 3);
  until(s, &s->workers[3].stops, 1);
  pid_t pids[TOLD] = {getpid(), s->pid, s->workers[1].pid, s->workers[2].pid,
                      s->workers[3].pid};
  if (copy) pids[COPY] = fork();
  if (stop) kill(s->pid, SIGSTOP);
  if (stop) waitpid(s->pid, NULL, WUNTRACED);
  if ((!copy || pids[COPY]) && write(told, pids, sizeof pids) != sizeof pids) _exit(1);
  for (;;) pause();
}

static bool all_dead(const pid_t *pids, int n) {
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
  for (int i = 0; i < n; i++)
    if (kill(pids[i], 0) == 0) return false;
  return true;
}

static void kill_main(bool copy, bool stop) {
  int told[2];
  pid_t pids[TOLD];
  assert_int_equal(lp_spawn_pipe(told), 0);
  pid_t pid = fork();
  if (pid == 0) run_main(told[1], copy, stop);
  close(told[1]);
  assert_int_equal(read(told[0], pids, sizeof pids), sizeof pids);
  adopt(true);
  uint64_t deadline = uv_hrtime() + 1000000000;
  kill(pid, SIGKILL);
  while (!all_dead(pids, LEFT) && uv_hrtime() < deadline) usleep(1000);
  assert_true(all_dead(pids, LEFT));
  adopt(false);
  if (copy) assert_int_equal(kill(pids[COPY], SIGKILL), 0);
  if (copy) assert_int_equal(waitpid(pids[COPY], NULL, 0), pids[COPY]);
  close(told[0]);
}

static void test_main_killed(void **state) {
  (void)state;
  kill_main(false, false);
}

static void test_main_killed_forkserver_stopped(void **state) {
  (void)state;
  kill_main(false, true);
}

static void test_main_killed_socket_copied(void **state) {
  (void)state;
  kill_main(true, false);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--forkserver") == 0)
    return lp_forkproc_serve(3, worker_main);
  const struct CMUnitTest tests[] = {
      clean_test(test_open_and_close),
      clean_test(test_worker_is_clean),
      clean_test(test_exec),
      clean_test(test_exit_status),
      clean_test(test_kill),
      clean_test(test_stop_and_continue),
      clean_test(test_close_kills),
      clean_test(test_close_in_callback),
      clean_test(test_gone),
      clean_test(test_gone_with_requests),
      clean_test(test_full_socket),
      clean_test(test_close_with_queue),
      clean_test(test_no_descriptors),
      clean_test(test_shared_forked),
      clean_test(test_shared_started),
      clean_test(test_shared_gone),
      clean_test(test_connect_to_dead),
      clean_test(test_one_does_not_read),
      clean_test(test_threads),
      clean_test(test_closed_stdio),
      clean_test(test_main_killed),
      clean_test(test_main_killed_forkserver_stopped),
      clean_test(test_main_killed_socket_copied),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
