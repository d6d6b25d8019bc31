/* The public API, as a host uses it: life, scripts, tasks, values, reload. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/luapool.h"
#include "tests/support/clean.h"

static luapool *open_free(luapool_options *options) {
  luapool_options all = LUAPOOL_OPTIONS;
  luapool *rt;
  if (!options) options = &all;
  options->allowed = LUAPOOL_ALLOW_ALL;
  assert_int_equal(luapool_open(&rt, options), LUAPOOL_OK);
  return rt;
}

static luapool_task *load(luapool *rt, const char *code) {
  luapool_task *task;
  assert_int_equal(luapool_load(rt, NULL, code, strlen(code), "=host", NULL, 0, &task), 0);
  assert_int_equal(luapool_task_status(task), LUAPOOL_MORE);
  return task;
}

static int64_t integer_of(luapool_task *task) {
  luapool_value v;
  assert_int_equal(luapool_task_result(task, 0, &v), 1);
  assert_int_equal(v.type, LUAPOOL_INTEGER);
  return v.as.integer;
}

/* Runs a text to its end. Returns the integer that is its result. */
static int64_t run(luapool *rt, const char *code) {
  luapool_task *task = load(rt, code);
  assert_int_equal(luapool_run(rt, task), LUAPOOL_OK);
  int64_t result = integer_of(task);
  luapool_task_release(task);
  return result;
}

/* Runs a text that fails. Returns the code. */
static int run_failing(luapool *rt, const char *code) {
  luapool_task *task = load(rt, code);
  int rc = luapool_run(rt, task);
  assert_int_equal(luapool_task_status(task), rc);
  assert_string_equal(luapool_error(rt), luapool_task_error(task));
  luapool_task_release(task);
  return rc;
}

static void test_result(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  assert_int_equal(run(rt, "require('luapool.task').sleep(0.01) return 42"), 42);
  assert_string_equal(luapool_error(rt), "");
  assert_int_equal(luapool_close(rt), LUAPOOL_OK);
}

static void test_values(void **state) {
  (void)state;
  static const char code[] = "local n, b, i, f, s, p = ... return s, p, n, b, i + 1, f / 2, {}";
  char host;
  luapool_value args[6] = {{.type = LUAPOOL_NIL},
                           {.type = LUAPOOL_BOOLEAN, .as.integer = 1},
                           {.type = LUAPOOL_INTEGER, .as.integer = INT64_MIN},
                           {.type = LUAPOOL_NUMBER, .as.number = 3},
                           {.type = LUAPOOL_STRING, .as.string = {"a\0b", 3}},
                           {.type = LUAPOOL_POINTER, .as.pointer = &host}},
                v;
  luapool *rt = open_free(NULL);
  luapool_task *task;
  assert_int_equal(luapool_load(rt, NULL, code, strlen(code), "=host", args, 6, &task), 0);
  assert_int_equal(luapool_task_result(task, 0, &v), 0);
  assert_int_equal(luapool_run(rt, task), LUAPOOL_OK);
  assert_int_equal(luapool_task_result(task, 0, &v), 7);
  assert_int_equal(v.type, LUAPOOL_STRING);
  assert_int_equal(v.as.string.len, 3);
  assert_memory_equal(v.as.string.bytes, "a\0b", 4);
  luapool_task_result(task, 1, &v);
  assert_ptr_equal(v.as.pointer, &host);
  luapool_task_result(task, 2, &v);
  assert_int_equal(v.type, LUAPOOL_NIL);
  luapool_task_result(task, 3, &v);
  assert_true(v.type == LUAPOOL_BOOLEAN && v.as.integer == 1);
  luapool_task_result(task, 4, &v);
  assert_true(v.type == LUAPOOL_INTEGER && v.as.integer == INT64_MIN + 1);
  luapool_task_result(task, 5, &v);
  assert_true(v.type == LUAPOOL_NUMBER && v.as.number == 1.5);
  luapool_task_result(task, 6, &v);
  assert_int_equal(v.type, LUAPOOL_OTHER);
  assert_int_equal(luapool_task_result(task, 7, &v), 7);
  assert_int_equal(v.type, LUAPOOL_NIL);
  luapool_task_release(task);
  luapool_close(rt);
}

static void test_wrong_arguments(void **state) {
  (void)state;
  luapool_options newer[2] = {LUAPOOL_OPTIONS};
  luapool_value strange = {.type = 99};
  luapool_task *task;
  luapool *rt;
  newer[0].size = sizeof newer;
  assert_int_equal(luapool_open(&rt, newer), LUAPOOL_OK); /* the fields that we lack are 0 */
  luapool_close(rt);
  newer[1].size = 1;
  assert_int_equal(luapool_open(&rt, newer), LUAPOOL_EARGUMENT);
  assert_null(rt);
  newer[0].size = 1;
  assert_int_equal(luapool_open(&rt, newer), LUAPOOL_EARGUMENT);
  rt = open_free(NULL);
  assert_int_equal(luapool_load(rt, NULL, "", 0, "=host", &strange, 1, &task),
                   LUAPOOL_EARGUMENT);
  assert_non_null(strstr(luapool_error(rt), "type 99"));
  assert_null(task);
  assert_int_equal(luapool_load(rt, NULL, "", 0, "=host", NULL, 1, NULL), LUAPOOL_EARGUMENT);
  assert_int_equal(luapool_load(rt, NULL, "return = 1", 10, "=host", NULL, 0, &task),
                   LUAPOOL_ESYNTAX);
  assert_non_null(strstr(luapool_error(rt), "host:1:"));
  assert_int_equal(luapool_load_file(rt, NULL, "/nonexistent.lua", NULL, 0, &task),
                   LUAPOOL_ESYSTEM);
  assert_non_null(strstr(luapool_error(rt), "cannot read /nonexistent.lua: No such file"));
  assert_int_equal(luapool_load(rt, NULL, "return 1", 8, "=host", NULL, 0, NULL), 0);
  assert_string_equal(luapool_error(rt), "");
  luapool_close(rt);
  assert_int_equal(luapool_close(NULL), LUAPOOL_OK);
}

static void test_file(void **state) {
  (void)state;
  char path[] = "/tmp/luapool-test-XXXXXX";
  static const char code[] = "#!/usr/bin/env luapool\nlocal x = ... error('here')";
  int fd = mkstemp(path);
  assert_int_equal(write(fd, code, sizeof code - 1), sizeof code - 1);
  close(fd);
  luapool *rt = open_free(NULL);
  luapool_task *task;
  assert_int_equal(luapool_load_file(rt, NULL, path, NULL, 0, &task), 0);
  assert_int_equal(luapool_run(rt, task), LUAPOOL_ERUN);
  assert_non_null(strstr(luapool_error(rt), ":2: here"));
  luapool_task_release(task);
  luapool_close(rt);
  unlink(path);
}

static void test_failures_have_codes(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  assert_int_equal(run_failing(rt, "local function f() error 'boom' end f()"), LUAPOOL_ERUN);
  assert_int_equal(run_failing(rt, "error { code = 5 }"), LUAPOOL_ERUN);
  assert_int_equal(run_failing(rt, "error(setmetatable({}, {__tostring = error}))"),
                   LUAPOOL_ERUN);
  assert_int_equal(run(rt, "return 7"), 7);
  luapool_task *task = load(rt, "return '7'");
  luapool_value v;
  assert_int_equal(luapool_run(rt, task), LUAPOOL_OK);
  luapool_task_result(task, 0, &v);
  assert_int_equal(v.type, LUAPOOL_STRING);
  assert_string_equal(luapool_task_error(task), "");
  luapool_task_release(task);
  luapool_close(rt);
}

static void test_deadlock_leaves_it_usable(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  luapool_task *stuck = load(rt, "require('luapool.task').promise():await()");
  assert_int_equal(luapool_run(rt, stuck), LUAPOOL_EDEADLOCK);
  assert_non_null(strstr(luapool_error(rt), "nothing can wake"));
  assert_int_equal(luapool_task_status(stuck), LUAPOOL_MORE);
  assert_int_equal(run(rt, "return 3"), 3);
  luapool_task_cancel(stuck);
  luapool_task_cancel(stuck);
  assert_int_equal(luapool_run(rt, stuck), LUAPOOL_ECANCELLED);
  luapool_task_release(stuck);
  luapool_close(rt);
}

static void test_runs_all(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  luapool_task *first = load(rt, "local t = require 'luapool.task' "
                                 "t.spawn(function() t.sleep(0.02) done = 1 end)");
  assert_int_equal(luapool_run(rt, NULL), LUAPOOL_OK);
  assert_int_equal(luapool_task_status(first), LUAPOOL_OK);
  assert_int_equal(run(rt, "return done"), 1);
  assert_int_equal(luapool_run(rt, NULL), LUAPOOL_OK);
  luapool_task_release(first);
  luapool_close(rt);
}

/* ---- start and reload ---- */

static luapool_task *start(luapool *rt, const char *function, int64_t arg) {
  luapool_value v = {.type = LUAPOOL_INTEGER, .as.integer = arg};
  luapool_task *task;
  assert_int_equal(luapool_start(rt, NULL, function, &v, 1, &task), LUAPOOL_OK);
  return task;
}

static int64_t call(luapool *rt, const char *function, int64_t arg) {
  luapool_task *task = start(rt, function, arg);
  assert_int_equal(luapool_run(rt, task), LUAPOOL_OK);
  int64_t result = integer_of(task);
  luapool_task_release(task);
  return result;
}

static void test_start(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  run(rt, "function double(x) return x * 2 end\n"
          "game = { on = { key = function(x) return x + 1 end } }\n"
          "thing = setmetatable({}, { __call = function(self, x) return x end })\n"
          "package.loaded['my.mod'] = { f = function(x) return -x end } return 0");
  assert_int_equal(call(rt, "double", 21), 42);
  assert_int_equal(call(rt, "game.on.key", 1), 2);
  assert_int_equal(call(rt, "thing", 5), 5);
  assert_int_equal(call(rt, "my.mod.f", 4), -4);
  luapool_task *task;
  static const char *const wrong[] = {"none", "game.none", "game.on", "double.x",
                                      "",     ".",         "my.mod"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    assert_int_equal(luapool_start(rt, NULL, wrong[i], NULL, 0, &task), LUAPOOL_ERUN);
    assert_null(task);
    assert_non_null(strstr(luapool_error(rt), "there is no function"));
  }
  luapool_close(rt);
}

static int reload(luapool *rt, const char *text) {
  return luapool_reload(rt, NULL, "actor", text, strlen(text), "@actor.lua");
}

static void test_reload(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  assert_int_equal(reload(rt,
                          "local M = { n = 1 } local task = require 'luapool.task' "
                          "function M.move(x) task.sleep(0.01) return x + M.n end return M"),
                   LUAPOOL_OK);
  luapool_task *old = start(rt, "actor.move", 10);
  assert_int_equal(luapool_run(rt, NULL) >= 0, 1);
  old = (luapool_task_release(old), start(rt, "actor.move", 10));
  luapool_step(rt, 1000);
  assert_int_equal(reload(rt, "local M = {} function M.move(x) return x * M.n end "
                              "function M.__reload(old) M.n = old.n + 1 end return M"),
                   LUAPOOL_OK);
  assert_int_equal(call(rt, "actor.move", 10), 20);
  assert_int_equal(luapool_run(rt, old), LUAPOOL_OK);
  assert_int_equal(integer_of(old), 11); /* it ends with the code that it began with */
  luapool_task_release(old);
  assert_int_equal(reload(rt, "return {"), LUAPOOL_ESYNTAX);
  assert_int_equal(reload(rt, "error 'no'"), LUAPOOL_ERUN);
  assert_int_equal(reload(rt, "return { __reload = function() error 'no' end }"), LUAPOOL_ERUN);
  assert_int_equal(call(rt, "actor.move", 10), 20);
  assert_int_equal(run(rt, "return require('actor').n"), 2);
  luapool_close(rt);
}

/* ---- references ---- */

static void note_end(void *user, luapool_task *task) {
  *(int *)user += 1 + luapool_task_status(task);
  luapool_task_release(task);
}

static void test_watch(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  int ended = 0;
  luapool_task *a = load(rt, "require('luapool.task').sleep(0.01)");
  luapool_task *b = load(rt, "return 1");
  assert_int_equal(luapool_task_watch(a, note_end, &ended), LUAPOOL_OK);
  assert_int_equal(luapool_task_watch(a, note_end, &ended), LUAPOOL_EARGUMENT);
  assert_int_equal(luapool_run(rt, b), LUAPOOL_OK);
  assert_int_equal(ended, 0);
  luapool_task_watch(b, note_end, &ended); /* it has ended */
  assert_int_equal(ended, 1);
  assert_int_equal(luapool_run(rt, NULL), LUAPOOL_OK);
  assert_int_equal(ended, 2);
  luapool_close(rt);
}

static void test_released_while_it_runs(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  luapool_task_release(load(rt, "require('luapool.task').sleep(0.01) done = 1"));
  luapool_task_release(NULL);
  assert_int_equal(luapool_run(rt, NULL), LUAPOOL_OK);
  assert_int_equal(run(rt, "return done"), 1);
  luapool_close(rt);
}

static void test_outlives_the_runtime(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  luapool_task *done = load(rt, "return 'text'");
  luapool_task *waits = load(rt, "require('luapool.task').sleep(1000)");
  luapool_value v;
  assert_int_equal(luapool_run(rt, done), LUAPOOL_OK);
  luapool_close(rt);
  assert_int_equal(luapool_task_status(done), LUAPOOL_OK);
  assert_int_equal(luapool_task_result(done, 0, &v), 0); /* went with the runtime */
  assert_int_equal(luapool_task_status(waits), LUAPOOL_ECANCELLED);
  luapool_task_cancel(waits);
  luapool_task_release(waits);
  luapool_task_release(done);
}

/* Other threads cancel tasks and give references back while the runtime runs and closes. */
static void *cancel_and_release(void *task) {
  luapool_task_cancel(task);
  luapool_task_release(task);
  return NULL;
}

static void test_other_threads(void **state) {
  (void)state;
  enum { N = 8 };
  luapool *rt = open_free(NULL);
  pthread_t threads[2 * N];
  for (int i = 0; i < N; i++) {
    luapool_task *task = load(rt, "require('luapool.task').sleep(1000)");
    assert_int_equal(pthread_create(&threads[i], NULL, cancel_and_release, task), 0);
  }
  assert_int_equal(luapool_run(rt, NULL), LUAPOOL_OK);
  for (int i = N; i < 2 * N; i++) {
    luapool_task *task = load(rt, "require('luapool.task').sleep(1000)");
    assert_int_equal(pthread_create(&threads[i], NULL, cancel_and_release, task), 0);
  }
  luapool_close(rt);
  for (int i = 0; i < 2 * N; i++) pthread_join(threads[i], NULL);
}

static luapool *inside;
static int codes[3];

static void call_back(void *user, int kind, const char *bytes, size_t len) {
  (void)user, (void)kind, (void)bytes, (void)len;
  codes[0] = luapool_run(inside, NULL);
  codes[1] = luapool_step(inside, 100);
  codes[2] = luapool_close(inside);
}

static void test_inside(void **state) {
  (void)state;
  luapool_options options = LUAPOOL_OPTIONS;
  options.text = call_back;
  inside = open_free(&options);
  luapool_load(inside, NULL, "error 'nobody awaits it'", 24, "=host", NULL, 0, NULL);
  run(inside, "require('luapool.task').sleep(0.01) collectgarbage() return 0");
  for (int i = 0; i < 3; i++) assert_int_equal(codes[i], LUAPOOL_EINSIDE);
  luapool_close(inside);
}

static void note(void *user, int kind, const char *bytes, size_t len) {
  snprintf(user, 200, "%d:%.*s", kind, (int)len, bytes);
}

static void test_unawaited_error_is_reported(void **state) {
  (void)state;
  char heard[200] = "";
  luapool_options options = LUAPOOL_OPTIONS;
  options.text = note;
  options.user = heard;
  luapool *rt = open_free(&options);
  run(rt, "local t = require 'luapool.task' t.spawn(function() error 'lost' end) "
          "t.sleep(0.01) return 1");
  luapool_close(rt);
  assert_int_equal(heard[0] - '0', LUAPOOL_TEXT_ERROR);
  assert_non_null(strstr(heard, "lost"));
}

static void test_stats(void **state) {
  (void)state;
  luapool *rt = open_free(NULL);
  luapool_stats s = {.size = sizeof s};
  luapool_task *task = load(rt, "local t = require 'luapool.task' kept = ('x'):rep(1 << 20) "
                                "for i = 1, 9 do t.spawn(t.sleep, 1000) end t.sleep(1000)");
  assert_int_equal(luapool_get_stats(rt, &s), LUAPOOL_OK);
  assert_true(s.tasks == 1 && s.ready == 1 && s.lua_bytes < 1 << 20);
  luapool_step(rt, 1000000);
  assert_int_equal(luapool_get_stats(rt, &s), LUAPOOL_OK);
  assert_true(s.tasks == 10 && s.ready == 0 && s.lua_bytes > 1 << 20);
  assert_true(s.calls == 0 && s.workers == 0);
  assert_true(s.cpu_us > 0 && s.longest_us > 0 && s.gc_us <= s.cpu_us);
  s = (luapool_stats){.size = offsetof(luapool_stats, tasks), .tasks = 77};
  assert_int_equal(luapool_get_stats(rt, &s), LUAPOOL_OK);
  assert_int_equal(s.tasks, 77); /* a field that an older host does not know */
  s.size = 0;
  assert_int_equal(luapool_get_stats(rt, &s), LUAPOOL_EARGUMENT);
  luapool_task_release(task);
  luapool_close(rt);
}

static void test_two_runtimes(void **state) {
  (void)state;
  luapool *a = open_free(NULL), *b = open_free(NULL);
  luapool_task *of_a = load(a, "x = 1 require('luapool.task').sleep(0.01) return x");
  assert_int_equal(run(b, "require('luapool.task').sleep(0.005) return x == nil and 7 or 8"),
                   7);
  assert_int_equal(luapool_run(b, of_a), LUAPOOL_EARGUMENT);
  assert_int_equal(luapool_run(a, of_a), LUAPOOL_OK);
  assert_int_equal(integer_of(of_a), 1);
  luapool_task_release(of_a);
  luapool_close(a);
  luapool_close(b);
}

/* Ends only where a task that never waits is preempted. */
static void run_beside_an_endless_task(luapool *rt) {
  assert_int_equal(run(rt, "local task = require 'luapool.task'\n"
                           "local t = task.spawn(function() while true do end end)\n"
                           "task.sleep(0.01) t:cancel() t:result() return 1"),
                   1);
}

static luapool *open_sliced(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.slice_us = 1000;
  options.signal = SIGVTALRM;
  return open_free(&options);
}

static void test_two_sliced_runtimes(void **state) {
  (void)state;
  clean_skip_under_tsan();
  luapool *first = open_sliced(), *second = open_sliced();
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
  clean_skip_under_tsan();
  luapool *mine = open_sliced(), *given = open_sliced();
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
  luapool *rt = open_free(NULL);
  run(rt, "local t = require 'luapool.task'"
          "for i = 1, 100 do t.spawn(t.sleep, 1000) end t.yield() return 1");
  luapool_close(rt);
}

/* Worker processes from a forkserver that the host has made, and what they print. */
static void test_pool(void **state) {
  (void)state;
  char heard[200] = "";
  luapool_options options = LUAPOOL_OPTIONS;
  options.forkserver = luapool_fork();
  options.text = note;
  options.user = heard;
  luapool *rt = open_free(&options);
  assert_int_equal(
      run(rt, "local p <close> = require('luapool.pool').new{ processes = 2 }"
              "return (p:apply(function(x) print 'from a worker' return x * 2 end, 21))"),
      42);
  luapool_close(rt);
  luapool_unfork(options.forkserver);
  assert_string_equal(heard, "1:"); /* it is to be seen now */
}

static void test_forkserver_without_pool(void **state) {
  (void)state;
  luapool_options options = LUAPOOL_OPTIONS;
  options.forkserver = luapool_fork();
  luapool *rt = open_free(&options);
  assert_int_equal(run(rt, "return 1"), 1);
  luapool_close(rt);
  luapool_unfork(options.forkserver);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      clean_test(test_result),
      clean_test(test_values),
      clean_test(test_wrong_arguments),
      clean_test(test_file),
      clean_test(test_failures_have_codes),
      clean_test(test_deadlock_leaves_it_usable),
      clean_test(test_runs_all),
      clean_test(test_start),
      clean_test(test_reload),
      clean_test(test_watch),
      clean_test(test_released_while_it_runs),
      clean_test(test_outlives_the_runtime),
      clean_test(test_other_threads),
      clean_test(test_inside),
      clean_test(test_unawaited_error_is_reported),
      clean_test(test_stats),
      clean_test(test_two_runtimes),
      clean_test(test_two_sliced_runtimes),
      clean_test(test_sliced_in_another_thread),
      clean_test(test_closed_with_waiting_tasks),
      clean_test(test_pool),
      clean_test(test_forkserver_without_pool),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
