/* tests/unit/test_memory.c: each allocation of a runtime's life fails in its turn, those of the
 * host's allocator and those of luapool's own. Each time the host gets a code or success, and
 * nothing is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/alloc.h"
#include "runtime/luapool.h"
#include "tests/support/clean.h"

/* ---- an allocator that fails once ---- */

typedef struct source {
  long calls, fail; /* so far; the one that fails */
  size_t bytes;
} source;

/* Lua relies on shrinking never to fail. */
static void *host_alloc(void *user, void *p, size_t old_size, size_t new_size) {
  source *s = user;
  size_t old = p ? old_size : 0;
  if (new_size > old && ++s->calls == s->fail) return NULL;
  void *block = new_size ? realloc(p, new_size) : (free(p), NULL);
  s->bytes += new_size - old;
  return block;
}

/* ---- a life ---- */

static const char MODULE[] = "local M = {n = 1} function M.get() return M.n end return M";
static const char AGAIN[] = "local M = {n = 2} function M.get() return M.n end"
                            " function M.__reload(old) M.before = old.n end return M";
static const char MAIN[] =
    "local task = require 'luapool.task'\n"
    "local mod = require 'mod'\n"
    "local tasks = {}\n"
    "for i = 1, 5 do tasks[i] = task.spawn(function(x)\n"
    "  local c <close> = setmetatable({}, {__close = function() task.sleep(0) end})\n"
    "  task.sleep(0.0005) return x * mod.get() end, i) end\n"
    "local sum = 0\n"
    "for i = 1, 5 do sum = sum + tasks[i]:await() end\n"
    "local ok, e = pcall(error, {text = 'oh'})\n"
    "return sum, tostring(e.text), ('x'):rep(3000)\n";

static int load_module(void *user, const char *module, const char **bytes, size_t *len,
                       const char **chunk) {
  (void)user;
  if (strcmp(module, "mod") != 0) return 0;
  *bytes = MODULE;
  *len = strlen(MODULE);
  *chunk = "@mod.lua";
  return 1;
}

/* Steps until a task has ended; one that cannot is given up. */
static void step(luapool *rt, luapool_task *task) {
  for (int i = 0; i < 200 && luapool_task_status(task) == LUAPOOL_MORE; i++) {
    luapool_step(rt, 1000);
    int64_t us = luapool_timeout_us(rt);
    if (us > 0 && us < 10000) usleep((useconds_t)us);
  }
}

/* Returns how far it came. */
static int live(luapool_options *o) {
  luapool *rt;
  luapool_task *main = NULL, *late = NULL;
  luapool_value v;
  int stage = 0;
  o->load = load_module;
  if (luapool_open(&rt, o) < 0) {
    assert_null(rt);
    return stage;
  }
  stage++;
  if (luapool_load(rt, NULL, MAIN, strlen(MAIN), "=main", NULL, 0, &main) == LUAPOOL_OK) {
    step(rt, main);
    stage += luapool_task_result(main, 0, &v) == 3 && v.as.integer == 15;
    luapool_task_error(main);
  }
  stage += luapool_reload(rt, NULL, "mod", AGAIN, strlen(AGAIN), "@mod.lua") == LUAPOOL_OK;
  stage += luapool_start(rt, NULL, "mod.get", NULL, 0, &late) == LUAPOOL_OK;
  if (late) step(rt, late);
  stage += late && luapool_task_result(late, 0, &v) == 1 && v.as.integer == 2;
  luapool_error(rt);
  luapool_task_release(main);
  luapool_task_release(late);
  assert_int_equal(luapool_close(rt), LUAPOOL_OK);
  return stage;
}

enum { ALL = 5 };

/* The thread sanitizer is so slow that each 50th allocation has to do. */
#ifdef __SANITIZE_THREAD__
enum { STRIDE = 50 };
#else
enum { STRIDE = 1 };
#endif

static void test_each_allocation_of_the_host_fails(void **state) {
  (void)state;
  source s = {0};
  luapool_options o = LUAPOOL_OPTIONS;
  o.allowed = LUAPOOL_ALLOW_ALL;
  o.alloc = host_alloc;
  o.user = &s;
  assert_int_equal(live(&o), ALL);
  long calls = s.calls;
  int least = ALL, fds = clean_count_fds();
  assert_true(calls > 1000);
  for (long n = 1; n <= calls; n += STRIDE) {
    s = (source){.fail = n};
    int stage = live(&o);
    if (stage < least) least = stage;
    assert_int_equal(s.bytes, 0);
  }
  assert_int_equal(clean_count_fds(), fds);
  assert_int_equal(least, 0);
}

#ifdef LP_FAIL_ALLOC
static void test_each_allocation_of_our_own_fails(void **state) {
  (void)state;
  luapool_options o = LUAPOOL_OPTIONS;
  o.allowed = LUAPOOL_ALLOW_ALL;
  lp_alloc_fail(0);
  assert_int_equal(live(&o), ALL);
  long calls = lp_alloc_fail(0);
  int fds = clean_count_fds();
  for (long n = 1; n <= calls; n += STRIDE) {
    lp_alloc_fail(n);
    live(&o);
  }
  lp_alloc_fail(0);
  assert_int_equal(clean_count_fds(), fds);
  assert_int_equal(live(&o), ALL);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_allocation_of_the_host_fails),
#ifdef LP_FAIL_ALLOC
      cmocka_unit_test(test_each_allocation_of_our_own_fails),
#endif
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
