/* The public API, as a host uses it. */
#include <pthread.h>
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

static int load(luapool *rt, const char *code) {
  return luapool_load_buffer(rt, code, strlen(code), "=host", 0, NULL);
}

static void test_result(void **state) {
  (void)state;
  luapool *rt = luapool_open(NULL);
  assert_non_null(rt);
  assert_int_equal(load(rt, "require('luapool.task').sleep(0.01) return 42"), 0);
  assert_int_equal(luapool_run(rt), 0);
  assert_int_equal(luapool_result(rt, -1), 42);
  assert_string_equal(luapool_error(rt), "");
  luapool_close(rt);
}

static void test_arguments(void **state) {
  (void)state;
  static const char *const args[] = {"4", "5"};
  static const char code[] = "local a, b = ... return a * b";
  luapool *rt = luapool_open(NULL);
  assert_int_equal(luapool_load_buffer(rt, code, sizeof code - 1, "=host", 2, args), 0);
  assert_int_equal(luapool_run(rt), 0);
  assert_int_equal(luapool_result(rt, -1), 20);
  luapool_close(rt);
}

static void test_errors(void **state) {
  (void)state;
  luapool *rt = luapool_open(NULL);
  assert_true(load(rt, "return = 1") < 0);
  assert_non_null(strstr(luapool_error(rt), "host:1:"));
  assert_true(luapool_load_file(rt, "/nonexistent.lua", 0, NULL) < 0);
  assert_non_null(strstr(luapool_error(rt), "nonexistent"));
  luapool_close(rt);
  luapool_close(NULL);
}

static void test_one_after_another(void **state) {
  (void)state;
  luapool *rt = luapool_open(NULL);
  assert_int_equal(load(rt, "error 'boom'"), 0);
  assert_true(luapool_run(rt) < 0);
  assert_int_equal(load(rt, "n = 1 return n"), 0);
  assert_int_equal(luapool_run(rt), 0);
  assert_int_equal(luapool_result(rt, -1), 1);
  assert_true(load(rt, "return = 1") < 0);
  assert_int_equal(luapool_result(rt, -1), -1);
  assert_int_equal(load(rt, "n = n + 1 return n"), 0);
  assert_true(load(rt, "return 7") < 0);
  assert_non_null(strstr(luapool_error(rt), "has not ended"));
  assert_int_equal(luapool_run(rt), 0);
  assert_int_equal(luapool_result(rt, -1), 2);
  luapool_close(rt);
}

static void test_failed_main(void **state) {
  (void)state;
  luapool *rt = luapool_open(NULL);
  assert_int_equal(load(rt, "local function f() error 'boom' end f()"), 0);
  assert_true(luapool_run(rt) < 0);
  assert_non_null(strstr(luapool_error(rt), "boom"));
  assert_int_equal(luapool_result(rt, -1), -1);
  luapool_close(rt);
}

static void note(void *user, const char *text) {
  snprintf(user, 200, "%s", text);
}

static void test_unawaited_error_is_reported(void **state) {
  (void)state;
  char heard[200] = "";
  luapool_options options = {.report = note, .user = heard};
  luapool *rt = luapool_open(&options);
  load(rt,
       "local t = require 'luapool.task' t.spawn(function() error 'lost' end) t.sleep(0.01)");
  assert_int_equal(luapool_run(rt), 0);
  luapool_close(rt);
  assert_non_null(strstr(heard, "lost"));
}

static void test_two_runtimes(void **state) {
  (void)state;
  luapool *a = luapool_open(NULL), *b = luapool_open(NULL);
  load(a, "x = 1 require('luapool.task').sleep(0.01) return x");
  load(b, "require('luapool.task').sleep(0.005) return x == nil and 7 or 8");
  assert_int_equal(luapool_run(b), 0);
  assert_int_equal(luapool_run(a), 0);
  assert_int_equal(luapool_result(a, 0), 1);
  assert_int_equal(luapool_result(b, 0), 7);
  luapool_close(a);
  luapool_close(b);
}

/* Ends only where a task that never waits is preempted. */
static void run_beside_an_endless_task(luapool *rt) {
  assert_int_equal(load(rt, "local task = require 'luapool.task'\n"
                            "local t = task.spawn(function() while true do end end)\n"
                            "task.sleep(0.01) t:cancel() t:result() return 1"),
                   0);
  assert_int_equal(luapool_run(rt), 0);
  assert_int_equal(luapool_result(rt, -1), 1);
}

/* The thread sanitizer keeps a signal back until the next call of libc: what only computes is
 * never sliced there. */
static void skip_without_signals(void) {
#ifdef __SANITIZE_THREAD__
  skip();
#endif
}

static const luapool_options sliced = {.slice = 0.001};

static void test_two_sliced_runtimes(void **state) {
  (void)state;
  skip_without_signals();
  luapool *first = luapool_open(&sliced), *second = luapool_open(&sliced);
  run_beside_an_endless_task(first);
  run_beside_an_endless_task(second);
  run_beside_an_endless_task(first);
  luapool_close(second);
  run_beside_an_endless_task(first);
  luapool_close(first);
}

static void *run_and_close(void *rt) {
  run_beside_an_endless_task(rt);
  luapool_close(rt);
  return NULL;
}

/* One that another thread opens, or has run, is sliced by the clock of the thread that runs it.
 */
static void test_sliced_in_another_thread(void **state) {
  (void)state;
  skip_without_signals();
  luapool *mine = luapool_open(&sliced), *given = luapool_open(&sliced);
  run_beside_an_endless_task(given);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, run_and_close, given), 0);
  run_beside_an_endless_task(mine);
  pthread_join(thread, NULL);
  run_beside_an_endless_task(mine);
  luapool_close(mine);
}

static void test_closed_with_waiting_tasks(void **state) {
  (void)state;
  luapool *rt = luapool_open(NULL);
  load(rt, "local t = require 'luapool.task'"
           "for i = 1, 100 do t.spawn(t.sleep, 1000) end t.yield()");
  assert_int_equal(luapool_run(rt), 0);
  luapool_close(rt);
}

/* Worker processes from a forkserver that the host has made, and what they print. */
static void gather(void *user, int fd, const char *text, size_t len) {
  snprintf(user, 200, "%d:%.*s", fd, (int)len, text);
}

static void test_pool(void **state) {
  (void)state;
  char heard[200] = "";
  luapool_options options = {
      .forkserver = luapool_fork(), .slice = 0.01, .output = gather, .user = heard};
  luapool *rt = luapool_open(&options);
  load(rt, "local p <close> = require('luapool.pool').new{ processes = 2 }"
           "return (p:apply(function(x) print 'from a worker' return x * 2 end, 21))");
  assert_int_equal(luapool_run(rt), 0);
  assert_int_equal(luapool_result(rt, 0), 42);
  luapool_close(rt);
  assert_string_equal(heard, "1:from a worker\n");
}

static void test_forkserver_without_pool(void **state) {
  (void)state;
  luapool_options options = {.forkserver = luapool_fork()};
  luapool *rt = luapool_open(&options);
  load(rt, "return 1");
  assert_int_equal(luapool_run(rt), 0);
  luapool_close(rt);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_result, clean_setup, clean_teardown),
      cmocka_unit_test_setup_teardown(test_arguments, clean_setup, clean_teardown),
      cmocka_unit_test_setup_teardown(test_errors, clean_setup, clean_teardown),
      cmocka_unit_test_setup_teardown(test_one_after_another, clean_setup, clean_teardown),
      cmocka_unit_test_setup_teardown(test_failed_main, clean_setup, clean_teardown),
      cmocka_unit_test_setup_teardown(test_unawaited_error_is_reported, clean_setup,
                                      clean_teardown),
      cmocka_unit_test_setup_teardown(test_two_runtimes, clean_setup, clean_teardown),
      cmocka_unit_test_setup_teardown(test_two_sliced_runtimes, clean_setup, clean_teardown),
      cmocka_unit_test_setup_teardown(test_sliced_in_another_thread, clean_setup,
                                      clean_teardown),
      cmocka_unit_test_setup_teardown(test_closed_with_waiting_tasks, clean_setup,
                                      clean_teardown),
      cmocka_unit_test_setup_teardown(test_pool, clean_setup, clean_teardown),
      cmocka_unit_test_setup_teardown(test_forkserver_without_pool, clean_setup,
                                      clean_teardown),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
