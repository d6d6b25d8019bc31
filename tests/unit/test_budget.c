/* Budgets: what runs too long ends in time, whatever it does, and the runtime goes on. Each
 * script runs with a granted signal and with the count hook. Time is CPU time of the thread. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "runtime/luapool.h"
#include "tests/support/clean.h"

/* What the host was told. */
static struct {
  int count, code;
  char traceback[2000];
} told;

static void on_limit(void *user, int code, luapool_task *task, const char *traceback) {
  (void)user, (void)task;
  told.count++;
  told.code = code;
  snprintf(told.traceback, sizeof told.traceback, "%s", traceback);
}

static luapool *open_with(luapool_options options) {
  luapool *rt;
  options.allowed = LUAPOOL_ALLOW_ALL;
  options.limit = on_limit;
  memset(&told, 0, sizeof told);
  assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
  return rt;
}

static double cpu(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Runs a text to its end; its error is in `error`. Returns the code. */
static char error[4000];

static int run(luapool *rt, const char *code) {
  luapool_task *task;
  assert_int_equal(luapool_load(rt, NULL, code, strlen(code), "=host", NULL, 0, &task), 0);
  int rc = luapool_run(rt, task);
  snprintf(error, sizeof error, "%s", luapool_task_error(task));
  luapool_task_release(task);
  return rc;
}

/* The thread sanitizer keeps a signal back until the next call of libc. */
#ifdef __SANITIZE_THREAD__
static const int sources[] = {0};
#else
static const int sources[] = {0, SIGVTALRM};
#endif
enum { SOURCES = sizeof sources / sizeof *sources };

typedef struct row {
  const char *code;
  int rc;
  /* What the error tells, and what the traceback does that the host gets; NULL: it gets none.
   */
  const char *text, *place;
} row;

#define ENDLESS            "while true do end"
#define HOLDER(name, body) "setmetatable({}, { " name " = function() " body " end })"

static const row rows[] = {
    {"local n = 0\n while true do n = n + 1 end", LUAPOOL_ETIME, "task_us", "host:2:"},
    {"while true do pcall(function() " ENDLESS " end) end", LUAPOOL_ETIME, "task_us",
     "host:1:"},
    {"while true do pcall(error) end", LUAPOOL_ETIME, "task_us", "host:1:"},
    {"coroutine.wrap(function() " ENDLESS " end)()", LUAPOOL_ETIME, "task_us", "host:1:"},
    {"local function f() return coroutine.wrap(function() f() end)() end\n"
     "while true do pcall(f) end",
     LUAPOOL_ETIME, "_us", "host:"},
    {"require 'luapool.task'.shield(function() " ENDLESS " end)", LUAPOOL_ETIME, "task_us",
     "host:1:"},
    {"local ok, e = xpcall(error, function() " ENDLESS " end)\n"
     "assert(not ok and e.kind == 'budget')",
     LUAPOOL_OK, "", "host:1:"},
    {"table.sort({1, 2}, function() xpcall(function() " ENDLESS " end, function() " ENDLESS
     " end) end)",
     LUAPOOL_OK, "", "host:1:"},
    {"local task = require 'luapool.task'\n"
     "local t = task.spawn(function() xpcall(function() " ENDLESS " end, function() " ENDLESS
     " end) end) task.sleep(0.01) t:cancel() t:result()",
     LUAPOOL_OK, "", ""},
    {"table.sort({1, 2, 3}, function() " ENDLESS " end)", LUAPOOL_ETIME, "'table.sort'",
     "host:1:"},
    {"table.sort({1, 2, 3}, function() while true do pcall(function() " ENDLESS
     " end) end end)",
     LUAPOOL_ETIME, "'table.sort'", "host:1:"},
    {"return (('x'):gsub('x', function() " ENDLESS " end))", LUAPOOL_ETIME, "block_us",
     "host:1:"},
    {"assert(load(function() " ENDLESS " end))", LUAPOOL_ETIME, "block_us", "host:1:"},
    {"local ok, e = pcall(table.sort, {1, 2, 3}, function() " ENDLESS " end)\n"
     "assert(not ok and e.kind == 'budget' and e.limit == 'block_us', e)",
     LUAPOOL_OK, "", "host:1:"},
    {"local c <close> = " HOLDER("__close", ENDLESS) ENDLESS, LUAPOOL_ETIME, "task_us",
     "host:1:"},
    {"local function f(n) local c <close> = " HOLDER("__close",
                                                     ENDLESS) " return n == 0 or f(n - 1) end "
                                                              "f(100)",
     LUAPOOL_ETIME, "_us", "host:1:"},
    {"local co = coroutine.create(function() local c <close> = " HOLDER(
         "__close", ENDLESS) " coroutine.yield() end) coroutine.resume(co) assert(not "
                             "coroutine.close(co))",
     LUAPOOL_OK, "", "host:1:"},
    {HOLDER("__gc", ENDLESS) "collectgarbage()", LUAPOOL_OK, "", "host:1:"},
    {"for i = 1, 20 do " HOLDER("__gc", "while true do pcall(function() " ENDLESS
                                        " end) end") " end collectgarbage()",
     LUAPOOL_OK, "", "host:1:"},
    {"error(" HOLDER("__tostring", ENDLESS) ")", LUAPOOL_ERUN, "whose __tostring raises",
     "host:1:"},
    {"error(" HOLDER("__tostring", "error 'oh'") ")", LUAPOOL_ERUN,
     "(a table whose __tostring raises: host:1: oh)", NULL},
    {"error(" HOLDER("__tostring", "return {}") ")", LUAPOOL_ERUN,
     "'__tostring' must return a string", NULL},
    {"local ok, e = pcall(error, 1) local _, e = pcall(require 'luapool.error'.raise, 'k', "
     "'m')\n"
     "e.message = " HOLDER("__tostring", ENDLESS) "error(e)",
     LUAPOOL_ERUN, "whose __tostring raises", "host:2:"},
    {"local t = setmetatable({}, { __index = function(t, k) return t[k] end }) return t.x",
     LUAPOOL_ERUN, "C stack overflow", NULL},
    {"local function f(s) return (s:gsub('.', f)) end f('x')", LUAPOOL_ERUN, "C stack overflow",
     NULL},
};

static luapool *open_strict(int source) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.signal = source;
  options.task_us = 400000;
  options.block_us = 100000;
  options.slice_us = 5000;
  return open_with(options);
}

static void check_row(luapool *rt, const row *r) {
  memset(&told, 0, sizeof told);
  double began = cpu();
  int rc = run(rt, r->code);
  double used = cpu() - began;
  bool right = rc == r->rc && strstr(error, r->text) && used < 5 &&
               (r->place ? told.code == LUAPOOL_ETIME && strstr(told.traceback, r->place)
                         : told.count == 0);
  if (!right)
    fail_msg("%s\n%d (%.1f s) %s\ntold %d: %s", r->code, rc, used, error, told.count,
             told.traceback);
}

static void test_what_runs_too_long(void **state) {
  (void)state;
  for (int i = 0; i < SOURCES; i++) {
    luapool *rt = open_strict(sources[i]);
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++) {
      check_row(rt, &rows[n]);
      assert_int_equal(run(rt, "require 'luapool.task'.sleep(0)"), LUAPOOL_OK);
    }
    luapool_close(rt);
  }
}

/* Budgets are not charged to others, nor added up over waits. */
static void test_who_waits_goes_on(void **state) {
  (void)state;
  static const char code[] =
      "local task = require 'luapool.task'\n"
      "local function work() local n = os.clock() while os.clock() < n + 0.03 do end end\n"
      "local bad = task.spawn(function() while true do end end)\n"
      "for i = 1, 12 do work() task.yield() end\n"
      "for i = 1, 4 do\n"
      "  for i = 1, 4 do table.sort({1, 2}, function(a, b) work() return a < b end) end\n"
      "  task.yield()\n"
      "end\n"
      "local ok, e = bad:result()\n"
      "assert(not ok and e.kind == 'budget', e)\n";
  for (int i = 0; i < SOURCES; i++) {
    luapool *rt = open_strict(sources[i]);
    int rc = run(rt, code);
    assert_string_equal(error, "");
    assert_int_equal(rc, LUAPOOL_OK);
    assert_int_equal(told.count, 1);
    luapool_close(rt);
  }
}

/* Errors that nobody awaits are described by the collector; those of finalizers are warnings.
 */
static void on_text(void *user, int kind, const char *bytes, size_t len) {
  if (kind == LUAPOOL_TEXT_ERROR || kind == LUAPOOL_TEXT_WARNING)
    snprintf(user, 500, "%.*s", (int)len, bytes);
}

static void test_descriptions_end(void **state) {
  (void)state;
  char heard[500] = "";
  luapool_options options = LUAPOOL_OPTIONS;
  options.text = on_text;
  options.user = heard;
  luapool *rt = open_with(options);
  double began = cpu();
  run(rt, "local task = require 'luapool.task'\n"
          "task.spawn(function() error(" HOLDER(
              "__tostring", ENDLESS) ") end)\n"
                                     "task.sleep(0) collectgarbage() collectgarbage()");
  assert_non_null(strstr(heard, "whose __tostring raises"));
  run(rt, HOLDER("__gc", "error(" HOLDER("__tostring", ENDLESS) ")") " collectgarbage()");
  assert_non_null(strstr(heard, "in a finalizer"));
  assert_true(cpu() - began < 5);
  luapool_close(rt);
}

/* Finalizers of a runtime that closes have what is left of its time, all together. */
static void test_close_ends(void **state) {
  (void)state;
  for (int i = 0; i < SOURCES; i++) {
    luapool_options options = LUAPOOL_OPTIONS;
    options.signal = sources[i];
    options.close_us = 100000;
    luapool *rt = open_with(options);
    assert_int_equal(
        run(rt, "kept = {} for i = 1, 1000 do kept[i] = " HOLDER(
                    "__gc", "while true do pcall(function() " ENDLESS " end) end") " end"),
        LUAPOOL_OK);
    assert_int_equal(run(rt,
                         "local task = require 'luapool.task'\n"
                         "task.spawn(function() while true do pcall(task.sleep, 1) end end)\n"
                         "task.sleep(0)"),
                     LUAPOOL_OK);
    double began = cpu();
    luapool_close(rt);
    assert_true(cpu() - began < 7);
  }
}

static void test_tasks(void **state) {
  (void)state;
  luapool_options options = LUAPOOL_OPTIONS;
  options.tasks = 100;
  luapool *rt = open_with(options);
  assert_int_equal(run(rt, "local task = require 'luapool.task'\n"
                           "local n, list = 0, {}\n"
                           "for i = 1, 200 do\n"
                           "  local ok, t = pcall(task.spawn, task.sleep, 1e6)\n"
                           "  if ok then n = n + 1 list[n] = t else e = t end\n"
                           "end\n"
                           "assert(n == 99 and e.kind == 'budget' and e.limit == 'tasks', n)\n"
                           "assert(not pcall(task.promise))\n"
                           "for _, t in ipairs(list) do t:cancel() end\n"
                           "for _, t in ipairs(list) do t:result() end\n"
                           "for i = 1, 1000 do task.spawn(function() end):await() end\n"),
                   LUAPOOL_OK);
  assert_int_equal(told.count, 1);
  assert_int_equal(told.code, LUAPOOL_ETASKS);
  assert_int_equal(run(rt, "local task = require 'luapool.task'\n"
                           "for i = 1, 200 do task.spawn(task.sleep, 1e6) end\n"),
                   LUAPOOL_ETASKS);
  luapool_close(rt);
}

/* A thread with little stack: calls cannot be nested so deep, and nothing crashes. */
static void *run_deep(void *state) {
  (void)state;
  luapool *rt = open_with((luapool_options)LUAPOOL_OPTIONS);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(run(rt,
                         "local depth = 0\n"
                         "local function f(s) depth = depth + 1 return (s:gsub('.', f)) end\n"
                         "local ok, e = pcall(f, 'x')\n"
                         "assert(not ok and e:find 'C stack overflow', e)\n"
                         "assert(depth >= 20 and depth < 200, depth)\n"
                         "local function g() local t = setmetatable({}, {__tostring = g})\n"
                         "  return ('%s'):format(t) end\n"
                         "assert(not pcall(g))\n"
                         "local function h() return coroutine.wrap(h)() end\n"
                         "assert(not pcall(h))\n"),
                     LUAPOOL_OK);
  }
  luapool_close(rt);
  return NULL;
}

static void test_little_stack(void **state) {
  pthread_attr_t attributes;
  pthread_t thread;
  clean_skip_under_tsan();
  pthread_attr_init(&attributes);
#ifdef __SANITIZE_ADDRESS__
  pthread_attr_setstacksize(&attributes, 1536 << 10);
#else
  pthread_attr_setstacksize(&attributes, 384 << 10);
#endif
  assert_int_equal(pthread_create(&thread, &attributes, run_deep, *state), 0);
  pthread_join(thread, NULL);
  pthread_attr_destroy(&attributes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      clean_test(test_what_runs_too_long),
      clean_test(test_who_waits_goes_on),
      clean_test(test_descriptions_end),
      clean_test(test_close_ends),
      clean_test(test_tasks),
      clean_test(test_little_stack),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
