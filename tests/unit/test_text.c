/* What a runtime has to say goes to the host's callback, and nowhere else. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/luapool.h"
#include "tests/support/clean.h"

enum { MOST = 8192 };

/* Texts of the callback, each after its kind and a colon, with "|" behind it. */
typedef struct heard {
  char text[MOST];
  size_t len;
} heard;

static void hear(void *user, int kind, const char *bytes, size_t len) {
  heard *h = user;
  assert_true(h->len + len + 4 < MOST);
  h->len += (size_t)sprintf(h->text + h->len, "%d:", kind);
  memcpy(h->text + h->len, bytes, len);
  h->len += len;
  h->text[h->len++] = '|';
  h->text[h->len] = 0;
}

/* Runs a text, with what the process writes to stdout and stderr in a file. Returns the bytes
 * that were written there. */
static off_t run(luapool_options *options, const char *code) {
  char path[] = "/tmp/luapool-text-XXXXXX";
  int file = mkstemp(path), kept[] = {dup(1), dup(2)};
  fflush(NULL);
  dup2(file, 1), dup2(file, 2);
  options->allowed = LUAPOOL_ALLOW_ALL;
  luapool *rt;
  luapool_task *task;
  int rc = luapool_open(&rt, options);
  if (rc == 0) rc = luapool_load(rt, NULL, code, strlen(code), "=host", NULL, 0, &task);
  if (rc == 0) rc = luapool_run(rt, task);
  char why[200] = "";
  if (rt) snprintf(why, sizeof why, "%s", luapool_error(rt));
  luapool_task_release(task);
  luapool_close(rt);
  fflush(NULL);
  dup2(kept[0], 1), dup2(kept[1], 2);
  off_t size = lseek(file, 0, SEEK_END);
  close(kept[0]), close(kept[1]), close(file), unlink(path);
  assert_string_equal(why, "");
  assert_int_equal(rc, LUAPOOL_OK);
  return size;
}

static void expect(const char *code, const char *texts) {
  heard h = {0};
  luapool_options options = LUAPOOL_OPTIONS;
  options.text = hear;
  options.user = &h;
  assert_int_equal(run(&options, code), 0);
  assert_string_equal(h.text, texts);
}

/* "yyy…" with a beginning and an end. */
static const char *long_text(const char *begin, char end) {
  static char text[MOST];
  size_t n = strlen(begin);
  memset(strcpy(text, begin) + n, 'y', 1200);
  text[n + 1200] = end;
  strcpy(text + n + 1201, end == '\n' ? "|" : "");
  return text;
}

static void test_print(void **state) {
  (void)state;
  expect("print() print('a', 1, 2.0, nil, true) print(('x'):rep(3))",
         "1:\n|1:a\t1\t2.0\tnil\ttrue\n|1:xxx\n|");
  expect("print(setmetatable({}, { __tostring = function() print 'in' return 'out' end }))",
         "1:in\n|1:out\n|");
  expect("local long = ('y'):rep(600) io.write(long, long)", long_text("1:", '|'));
  expect("print(('y'):rep(1200))", long_text("1:", '\n'));
}

static void test_files(void **state) {
  (void)state;
  expect("assert(io.write('a', 1, 2.0) == io.stdout) io.write()", "1:a12|");
  expect("assert(io.stdout:write('b'):write('c\\n') == io.stdout)", "1:b|1:c\n|");
  expect("assert(io.stderr:write('e', 0.5) == io.stderr)", "2:e0.5|");
  expect("io.write 'x' assert(io.flush()) assert(io.stderr:flush())", "1:x|1:|2:|");
  expect("print(select(2, pcall(io.write, {}))) print(select(2, pcall(io.stdout.write, 1)))",
         "1:bad argument #1 to 'io.write' (string expected, got table)\n|"
         "1:bad argument #1 to '?' (FILE* expected, got number)\n|");
  expect("local path = os.tmpname() local f = io.open(path, 'w') io.output(f)"
         "assert(io.write 'in a file' == f) f:write(2.0) io.flush() f:flush() io.close()"
         "io.output(io.stdout) print(io.open(path):read 'a') os.remove(path)",
         "1:in a file2\n|");
}

static void test_errors_and_warnings(void **state) {
  (void)state;
  heard h = {0};
  luapool_options options = LUAPOOL_OPTIONS;
  options.text = hear;
  options.user = &h;
  assert_int_equal(run(&options, "local task = require 'luapool.task'"
                                 "task.spawn(function() error('lost', 0) end) task.yield()"),
                   0);
  assert_int_equal(strncmp(h.text, "5:lost\nstack traceback:\n", 24), 0);
  expect("setmetatable({}, { __gc = function() error('late', 0) end }) collectgarbage()",
         "5:in a finalizer: late|");
  expect("warn 'unheard' warn '@on' warn('two ', 'pieces')", "6:two pieces|");
}

static void test_log_and_bars(void **state) {
  (void)state;
  heard h = {0};
  luapool_options options = LUAPOOL_OPTIONS;
  options.text = hear;
  options.user = &h;
  assert_int_equal(run(&options, "require('luapool.log').warn('%d%%', 5)"), 0);
  assert_string_equal(h.text, strstr(h.text, "3:"));
  assert_non_null(strstr(h.text, " warn: 5%|"));
  /* Bars are drawn on no terminal that is not the program's. */
  assert_int_equal(run(&options, "local progress = require 'luapool.progress'"
                                 "for _ in progress.wrap({ 1, 2, 3 }) do end"),
                   0);
  assert_null(strchr(h.text, '\033'));
}

/* Whole lines, and then that they are to be seen. */
static void test_workers(void **state) {
  (void)state;
  heard h = {0};
  luapool_options options = LUAPOOL_OPTIONS;
  options.text = hear;
  options.user = &h;
  options.forkserver = luapool_fork();
  off_t size =
      run(&options, "local pool = require 'luapool.pool'"
                    "local p <close> = pool.new{ processes = 1 }"
                    "p:apply(function() io.write('a ', 'line\\nand') print ' more' end)"
                    "p:apply(function() io.stderr:write('err\\n') warn '@on' warn 'w' end)");
  luapool_unfork(options.forkserver);
  assert_int_equal(size, 0);
  assert_non_null(strstr(h.text, "a line\n"));
  assert_non_null(strstr(h.text, "and more\n"));
  assert_non_null(strstr(h.text, "|1:|"));
  assert_non_null(strstr(h.text, "2:err\n"));
  assert_non_null(strstr(h.text, "luapool: worker 1: warning: w\n"));
}

static void test_no_callback(void **state) {
  (void)state;
  luapool_options options = LUAPOOL_OPTIONS;
  options.forkserver = luapool_fork();
  off_t size =
      run(&options, "local task, log = require 'luapool.task', require 'luapool.log'"
                    "local pool = require 'luapool.pool'"
                    "print 'a' io.write 'b' io.stderr:write 'c' io.stdout:flush() log.error 'd'"
                    "warn '@on' warn 'e' task.spawn(error, 'f') task.yield() collectgarbage()"
                    "setmetatable({}, { __gc = error }) collectgarbage()"
                    "local p <close> = pool.new{ processes = 2, concurrency = 1e5 }"
                    "p:map(print, { 1, 2, 3 }):drain()"
                    "for _ in require('luapool.progress').wrap({ 1, 2, 3 }) do end");
  luapool_unfork(options.forkserver);
  assert_int_equal(size, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      clean_test(test_print),       clean_test(test_files),
      clean_test(test_workers),     clean_test(test_errors_and_warnings),
      clean_test(test_no_callback), clean_test(test_log_and_bars),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
