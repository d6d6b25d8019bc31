/* A library that the host does not feel: its signals, their mask, its environment, locale,
 * umask, folder, threads and descriptors are as before, whatever scripts have done. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/luapool.h"
#include "tests/support/clean.h"
#include "tests/support/guest.h"

/* ---- what the host has ---- */

typedef struct host_state {
  struct sigaction actions[NSIG];
  sigset_t mask;
  char *environment; /* the addresses of its strings, and these */
  char locale[500], folder[500], descriptors[4000];
  mode_t umask;
  int threads;
} host_state;

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

/* Lists the open descriptors with what they are. */
static void list_descriptors(char *text, size_t size) {
  struct dirent **entries;
  int n = scandir("/proc/self/fd", &entries, NULL, by_name);
  size_t len = 0;
  for (int i = 0; i < n; i++) {
    char path[300], what[300] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%s", entries[i]->d_name);
    if (readlink(path, what, sizeof what - 1) > 0 && !strstr(what, "/fd"))
      len += (size_t)snprintf(text + len, size - len, "%s %s\n", entries[i]->d_name, what);
    assert_true(len < size);
    free(entries[i]);
  }
  free(entries);
}

static char *copy_environment(void) {
  char *text = NULL;
  size_t len = 0;
  FILE *f = open_memstream(&text, &len);
  for (char **e = environ; *e; e++) fprintf(f, "%p %s\n", (void *)*e, *e);
  fclose(f);
  return text;
}

/* The umask without changing it. */
static mode_t read_umask(void) {
  char line[200];
  unsigned mask = 0;
  FILE *f = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, f) && sscanf(line, "Umask: %o", &mask) != 1) {
  }
  fclose(f);
  return mask;
}

static int count_threads(void) {
  struct dirent **entries;
  int n = scandir("/proc/self/task", &entries, NULL, NULL);
  for (int i = 0; i < n; i++) free(entries[i]);
  free(entries);
  return n - 2;
}

static host_state *look(void) {
  host_state *s = calloc(1, sizeof *s);
  for (int i = 1; i < NSIG; i++) sigaction(i, NULL, &s->actions[i]);
  pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
  s->environment = copy_environment();
  snprintf(s->locale, sizeof s->locale, "%s", setlocale(LC_ALL, NULL));
  assert_non_null(getcwd(s->folder, sizeof s->folder));
  s->umask = read_umask();
  s->threads = count_threads();
  list_descriptors(s->descriptors, sizeof s->descriptors);
  return s;
}

static void forget(host_state *s) {
  free(s->environment);
  free(s);
}

/* Threads that stay: libuv's, and one of the thread sanitizer. */
#ifdef __SANITIZE_THREAD__
enum { STAY = 4 + 1 };
#else
enum { STAY = 4 };
#endif

static void expect_same(host_state *before) {
  host_state *now = look();
  for (int i = 1; i < NSIG; i++) {
    struct sigaction *a = &before->actions[i], *b = &now->actions[i];
    if (a->sa_handler != b->sa_handler || a->sa_flags != b->sa_flags ||
        memcmp(&a->sa_mask, &b->sa_mask, 8) != 0)
      fail_msg("signal %d: %p became %p", i, (void *)a->sa_handler, (void *)b->sa_handler);
  }
  assert_memory_equal(&before->mask, &now->mask, 8);
  assert_string_equal(before->environment, now->environment);
  assert_string_equal(before->locale, now->locale);
  assert_string_equal(before->folder, now->folder);
  assert_int_equal(before->umask, now->umask);
  assert_string_equal(before->descriptors, now->descriptors);
  assert_in_range(now->threads, 1, before->threads + STAY);
  forget(now);
}

static volatile sig_atomic_t chld, others;

static void on_signal(int signum) {
  if (signum == SIGCHLD)
    chld = chld + 1;
  else
    others = others + 1;
}

/* Signals whose handlers a host may have; each of them is one that luapool might want. */
static const int wanted[] = {SIGCHLD, SIGINT,  SIGTERM,   SIGHUP,  SIGUSR1, SIGUSR2,
                             SIGALRM, SIGPROF, SIGVTALRM, SIGCONT, SIGQUIT};

static void set_handlers(void (*handler)(int)) {
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) signal(wanted[i], handler);
}

/* ---- all that a script may use ---- */

static const char everything[] =
    "local luapool_http, fs, task = require 'luapool.http', require 'luapool.fs', "
    "require 'luapool.task'\n"
    "local html, json, yaml = require 'luapool.html', require 'luapool.json', "
    "require 'luapool.yaml'\n"
    "local process, sqlite = require 'luapool.process', require 'luapool.sqlite'\n"
    "local pool, sync, digest = require 'luapool.pool', require 'luapool.sync', "
    "require 'luapool.digest'\n"
    "local socket = require 'socket'\n"
    /* a server of our own */
    "local server = assert(socket.bind('127.0.0.1', 0))\n"
    "local _, port = server:getsockname()\n"
    "local serving = task.spawn(function()\n"
    "  while true do\n"
    "    local c = server:accept()\n"
    "    if not c then return end\n"
    "    repeat local line = c:receive '*l' until not line or line == ''\n"
    "    c:send 'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok'\n"
    "    c:close()\n"
    "  end\n"
    "end)\n"
    "local url = 'http://127.0.0.1:' .. port .. '/'\n"
    "assert(luapool_http.get(url).body == 'ok')\n"
    "local dir = fs.tempdir()\n"
    "luapool_http.get(url, { save_to = dir .. '/saved' })\n"
    "assert(fs.read(dir .. '/saved') == 'ok')\n"
    "fs.write(dir .. '/a', 'text') fs.mkdir(dir .. '/b') fs.stat(dir .. '/a') fs.list(dir)\n"
    "local db <close> = sqlite.open(dir .. '/db') db:exec 'create table t(x)'\n"
    "db:exec('insert into t values(?)', 1.5)\n"
    "local doc = html.parse '<p>a<p>b' assert(#doc:xpath '//p' == 2 and #doc:css 'p' == 2)\n"
    "html.parse('<a href=x>', { parser = 'html5' }) require('luapool.xml').parse '<a/>'\n"
    "assert(json.encode(json.decode '[1.5]') == '[1.5]' and yaml.load(yaml.dump { a "
    "= 1.5 }).a == 1.5)\n"
    "digest.sha256 'x' require('luapool.csv').writer(dir .. '/c', { columns = { 'a' } "
    "}):close()\n"
    "assert(process.exec { 'cat', stdin = ('x'):rep(300000) }.stdout == ('x'):rep(300000))\n"
    "assert(process.exec({ 'sh', '-c', 'exit 3' }).code == 3)\n"
    "process.exec { 'true', stdin = ('x'):rep(1000000) }\n"
    "assert(not pcall(process.exec, { 'sleep', '60', timeout = 0.01 }))\n"
    "assert(os.execute 'true') local p = io.popen('cat >/dev/null', 'w') p:write 'x' "
    "p:close()\n"
    "p = io.popen('true', 'w') p:setvbuf 'no' task.sleep(0.05) "
    "p:write(('x'):rep(200000)) p:close()\n"
    "do local q <close> = pool.new { processes = 2 } assert(q:apply(function(x) "
    "return x + 1 end, 1) == 2) end\n"
    "pcall(luapool_http.get, 'http://127.0.0.1:1/') pcall(luapool_http.get, "
    "'http://localhost:1/')\n"
    "local queue = sync.queue() queue:put(1) assert(queue:get() == 1)\n"
    "task.spawn(error, 'nobody awaits it') task.yield() collectgarbage()\n"
    "for _ in require('luapool.progress').wrap { 1, 2 } do end require('luapool.log').info "
    "'x'\n"
    "local busy = task.spawn(function() " CLEAN_ENDLESS " end)\n"
    "task.sleep(0.05) busy:cancel() pcall(busy.await, busy)\n"
    "server:close() serving:cancel() fs.remove(dir, { recursive = true })\n";

static void use_everything(int forkserver) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.signal = SIGVTALRM;
  options.slice_us = 2000;
  options.forkserver = forkserver;
  options.program = "/proc/self/exe";
  guest_expect(&options, everything);
}

static void test_everything(void **state) {
  (void)state;
  int forkserver = luapool_fork();
  assert_true(forkserver > 0);
  set_handlers(on_signal);
  signal(SIGPIPE, SIG_DFL);
  umask(027);
  for (int round = 0; round < 2; round++) {
    host_state *before = look();
    use_everything(forkserver);
    expect_same(before);
    forget(before);
  }
  assert_true(chld > 0); /* the children of scripts have ended, and our handler is there */
  assert_int_equal(others, 0);
  set_handlers(SIG_DFL);
  umask(022);
  luapool_unfork(forkserver);
}

/* The forkserver is the host itself, started anew. */
static void test_started_forkserver(void **state) {
  (void)state;
  host_state *before = look();
  use_everything(0);
  expect_same(before);
  forget(before);
}

static void test_signals_blocked(void **state) {
  (void)state;
  sigset_t all, before;
  sigfillset(&all);
  sigdelset(&all, SIGVTALRM); /* the one that it grants */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  host_state *then = look();
  use_everything(0);
  expect_same(then);
  forget(then);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- children ---- */

static const char runs_programs[] =
    "local process = require 'luapool.process'\n"
    "assert(process.exec({ 'sh', '-c', 'echo out; exit 3' }).code == 3)\n"
    "assert(process.exec({ 'sh', '-c', 'kill -9 $$' }).signal == 9)\n"
    "assert(process.exec { 'cat', stdin = 'text' }.stdout == 'text')\n"
    "assert(not pcall(process.exec, { '/no/such/program' }))\n"
    "local ok, e = pcall(process.exec, { 'sleep', '60', timeout = 0.05 })\n"
    "assert(not ok and e.kind == 'timeout')\n"
    "assert(select(3, os.execute 'exit 5') == 5)\n"
    "local p = io.popen 'echo x; exit 4' assert(p:read 'a' == 'x\\n')\n"
    "assert(select(3, p:close()) == 4)\n";

static void on_child_reap_all(int signum) {
  int saved = errno;
  (void)signum;
  while (waitpid(-1, NULL, WNOHANG) > 0) chld = chld + 1;
  errno = saved;
}

/* A host that has no interest in its children, in both ways, and one that waits for whatever
 * child there is: how a program has ended is known all the same. */
static void test_sigchld(void **state) {
  (void)state;
  const struct sigaction ways[] = {{.sa_handler = SIG_IGN},
                                   {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT},
                                   {.sa_handler = on_child_reap_all, .sa_flags = SA_RESTART},
                                   {.sa_handler = SIG_DFL}};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    sigaction(SIGCHLD, &ways[i], NULL);
    host_state *before = look();
    luapool_options options = LUAPOOL_OPTIONS;
    guest_expect(&options, runs_programs);
    expect_same(before);
    forget(before);
  }
}

/* ---- descriptors ---- */

/* Returns what is wrong. */
static int open_with_few(int limit) {
  struct rlimit before, few;
  getrlimit(RLIMIT_NOFILE, &before);
  few = (struct rlimit){(rlim_t)limit, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  luapool *rt;
  int rc = luapool_open(&rt, NULL), closed = luapool_close(rt);
  setrlimit(RLIMIT_NOFILE, &before); /* a leak checker needs some at the end */
  if (rc == LUAPOOL_OK) return closed;
  return rc == LUAPOOL_ESYSTEM && !rt && limit < 20 ? 0 : 1;
}

/* Each in a process of its own, in which libuv has not been used. */
static void test_few_descriptors(void **state) {
  (void)state;
  for (int limit = 3; limit < 25; limit++) {
    int status;
    char number[20];
    snprintf(number, sizeof number, "%d", limit);
    pid_t pid = fork();
    if (pid == 0) {
      close_range(3, ~0U, 0);
      execl("/proc/self/exe", "test_polite", "--few", number, (char *)NULL);
      _exit(2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status) fail_msg("%d descriptors: status %x", limit, (unsigned)status);
  }
}

/* ---- a forkserver that the host has made ---- */

/* Whatever fails, it is there for the next runtime. */
static void test_forkserver_outlives_failures(void **state) {
  (void)state;
  luapool_options options = LUAPOOL_OPTIONS;
  luapool *rt;
  struct rlimit before, few;
  options.forkserver = luapool_fork();
  options.program = "/no/such/program";
  options.size = 3;
  assert_int_equal(luapool_open(&rt, &options), LUAPOOL_EARGUMENT);
  options.size = sizeof options;
  int fds = clean_count_fds();
  getrlimit(RLIMIT_NOFILE, &before);
  for (int limit = 3; limit < 60; limit++) {
    few = (struct rlimit){(rlim_t)limit, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    if (limit == 3) assert_int_equal(luapool_fork(), LUAPOOL_ESYSTEM);
    int rc = luapool_open(&rt, &options);
    setrlimit(RLIMIT_NOFILE, &before);
    assert_true(rc == LUAPOOL_ESYSTEM || (rc == LUAPOOL_OK && limit > 3));
    assert_int_equal(luapool_close(rt), LUAPOOL_OK);
    assert_int_equal(clean_count_fds(), fds);
  }
  guest_expect(&options, "local p <close> = require('luapool.pool').new { processes = 1 }"
                         "assert(p:apply(function() return 7 end) == 7)");
  luapool_unfork(options.forkserver);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--forkserver") == 0) return luapool_serve();
  if (argc == 3 && strcmp(argv[1], "--few") == 0) return open_with_few(atoi(argv[2]));
  /* The first one has libuv make no threads: who has some may not fork. */
  const struct CMUnitTest tests[] = {
      clean_test(test_forkserver_outlives_failures),
      clean_test(test_everything),
      clean_test(test_started_forkserver),
      clean_test(test_signals_blocked),
      clean_test(test_sigchld),
      clean_test(test_few_descriptors),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
