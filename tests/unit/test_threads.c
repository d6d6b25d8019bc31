/* Runtimes in many threads, many in one, and one in many: nothing grows, one forkserver serves
 * all. */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/luapool.h"
#include "tests/support/clean.h"
#include "tests/support/guest.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { ROUNDS = 8 };
#else
enum { ROUNDS = 100 };
#endif

enum { THREADS = 8 };

/* ---- a server ---- */

static int listener = -1;
static char url[64];

/* Answers each connection once. */
static void *serve(void *arg) {
  static const char answer[] =
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
  char request[4096];
  (void)arg;
  for (int c; (c = accept(listener, NULL, NULL)) >= 0;) {
    if (recv(c, request, sizeof request, 0) > 0)
      send(c, answer, sizeof answer - 1, MSG_NOSIGNAL);
    close(c);
  }
  return NULL;
}

static int start_server(pthread_t *thread) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  socklen_t size = sizeof at;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&at, size) < 0 || listen(listener, 100) < 0 ||
      getsockname(listener, (struct sockaddr *)&at, &size) < 0)
    return -1;
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(at.sin_port));
  return pthread_create(thread, NULL, serve, NULL);
}

static void stop_server(pthread_t thread) {
  shutdown(listener, SHUT_RDWR);
  pthread_join(thread, NULL);
  close(listener);
}

/* ---- many threads ---- */

/* The process that has forked a worker is its parent. */
static const char script[] =
    "local http, fs, pool = require 'luapool.http', require 'luapool.fs', require "
    "'luapool.pool'\n"
    "local task, url, parent = require 'luapool.task', '%s', '%d'\n"
    "assert(http.get(url).body == 'ok')\n"
    "local dir = fs.tempdir() fs.write(dir .. '/a', 'text')\n"
    "assert(fs.read(dir .. '/a') == 'text') fs.remove(dir, { recursive = true })\n"
    "local p <close> = pool.new { processes = 1 }\n"
    "local found = p:apply(function()\n"
    "  return io.open('/proc/self/stat'):read('a'):match('%%) %%a (%%d+)')\n"
    "end)\n"
    "assert(parent == '0' or found == parent, found)\n"
    "local busy = task.spawn(function() for _ = 1, 3e5 do end end)\n" /* some slices */
    "for _ = 1, 3 do task.yield() end busy:await()\n";

typedef struct user {
  pthread_t thread;
  luapool_options options;
  int rounds;
  char why[500];
} user;

/* Finds the forkserver: the child of this process. */
static int find_forkserver(void) {
  int pid = 0;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  FILE *f = fopen(path, "r");
  if (fscanf(f, "%d", &pid) != 1) pid = 0;
  fclose(f);
  return pid;
}

static char code[sizeof script + 100];

static void *use(void *arg) {
  user *u = arg;
  for (int i = 0; i < u->rounds && !*u->why; i++) guest_run(&u->options, code, u->why);
  return NULL;
}

static void use_in_threads(int forkserver, const char *program, int rounds) {
  static user users[THREADS];
  for (int i = 0; i < THREADS; i++) {
    users[i] = (user){.options = LUAPOOL_OPTIONS, .rounds = rounds};
    users[i].options.allowed = LUAPOOL_ALLOW_ALL;
    users[i].options.forkserver = forkserver;
    users[i].options.program = program;
    users[i].options.signal = SIGVTALRM;
    users[i].options.slice_us = 1000;
    assert_int_equal(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(users[i].thread, NULL);
  for (int i = 0; i < THREADS; i++) assert_string_equal(users[i].why, "");
}

static int count_threads(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/task");
  while (readdir(d)) n++;
  closedir(d);
  return n;
}

static void test_many_threads(void **state) {
  (void)state;
  pthread_t server;
  int forkserver = luapool_fork();
  assert_true(forkserver > 0);
  assert_int_equal(start_server(&server), 0);
  int pid = find_forkserver();
  snprintf(code, sizeof code, script, url, pid);
  use_in_threads(forkserver, "/no/such/program",
                 ROUNDS / 4); /* what libraries keep is there then */
  malloc_trim(0);
  size_t bytes = mallinfo2().uordblks;
  int threads = count_threads(), fds = clean_count_fds();
  use_in_threads(forkserver, "/no/such/program", ROUNDS);
  malloc_trim(0);
  assert_int_equal(clean_count_fds(), fds);
  assert_int_equal(count_threads(), threads);
  assert_int_equal(find_forkserver(), pid);
  assert_true(mallinfo2().uordblks < bytes + (256 << 10));
  stop_server(server);
  luapool_unfork(forkserver);
}

/* The first that needs a forkserver starts it, the last that has used it ends it, and others
 * come meanwhile. */
static void test_started_by_threads(void **state) {
  (void)state;
  pthread_t server;
  assert_int_equal(start_server(&server), 0);
  snprintf(code, sizeof code, script, url, 0);
  use_in_threads(0, "/proc/self/exe", ROUNDS / 8);
  stop_server(server);
}

/* ---- two in one thread, and one in many ---- */

static luapool *open_sliced(void) {
  luapool *rt;
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  options.signal = SIGVTALRM;
  options.slice_us = 1000;
  assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
  return rt;
}

/* A task that never waits, and one that counts beside it. */
static const char counts[] = "local task, n = require 'luapool.task', 0\n"
                             "local busy = task.spawn(function() " CLEAN_ENDLESS " end)\n"
                             "while n < 50 do n = n + 1 task.sleep(0.0001) end\n"
                             "busy:cancel() return n";

static luapool_task *load(luapool *rt, const char *text) {
  luapool_task *task;
  assert_int_equal(luapool_load(rt, NULL, text, strlen(text), "=t", NULL, 0, &task), 0);
  return task;
}

static void test_two_alternate(void **state) {
  (void)state;
  luapool *rt[2] = {open_sliced(), open_sliced()};
  luapool_task *task[2] = {load(rt[0], counts), load(rt[1], counts)};
  while (luapool_task_status(task[0]) == LUAPOOL_MORE ||
         luapool_task_status(task[1]) == LUAPOOL_MORE)
    for (int i = 0; i < 2; i++) assert_true(luapool_step(rt[i], 2000) >= 0);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(luapool_task_status(task[i]), LUAPOOL_OK);
    luapool_task_release(task[i]);
    assert_int_equal(luapool_close(rt[i]), LUAPOOL_OK);
  }
}

typedef struct handed {
  luapool *rt;
  luapool_task *task;
  int rc;
} handed;

static void *step_in_thread(void *arg) {
  handed *h = arg;
  for (int i = 0; i < 5 && h->rc >= 0; i++) h->rc = luapool_step(h->rt, 1000);
  return NULL;
}

static void test_handed_on(void **state) {
  (void)state;
  handed h = {.rt = open_sliced()};
  h.task = load(h.rt, counts);
  while (luapool_task_status(h.task) == LUAPOOL_MORE && h.rc >= 0) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, step_in_thread, &h), 0);
    pthread_join(thread, NULL);
  }
  assert_true(h.rc >= 0);
  assert_int_equal(luapool_task_status(h.task), LUAPOOL_OK);
  luapool_task_release(h.task);
  assert_int_equal(luapool_close(h.rt), LUAPOOL_OK);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--forkserver") == 0) return luapool_serve();
  const struct CMUnitTest tests[] = {
      clean_test(test_many_threads),
      clean_test(test_started_by_threads),
      clean_test(test_two_alternate),
      clean_test(test_handed_on),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
