/* Scripts that want too much, in sandboxes with budgets: each ends with its error, soon, and
 * the runtime goes on. The scripts stand in tests/support/hogs.lua. */
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
#include <lauxlib.h>
#include <lualib.h>

#include "runtime/luapool.h"
#include "tests/support/clean.h"

enum {
  MEMORY = 64 << 20,
  TASKS = 1000,
  TASK_US = 100000,
  BLOCK_US = 50000,
  PATIENCE = 100,
/* What a script may take in all: its budgets, and the memory that it fills and gives back,
 * which AddressSanitizer makes several times as slow. */
#ifdef __SANITIZE_ADDRESS__
  MOST_MS = 20000
#else
  MOST_MS = 4000
#endif
};

static double cpu_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* `patience` lets a script fill the memory before its time is used up. */
static luapool *open_limited(int signal, int patience) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.memory = MEMORY;
  options.tasks = TASKS;
  options.task_us = TASK_US * patience;
  options.block_us = BLOCK_US * patience;
  options.slice_us = 10000;
  options.signal = signal;
  luapool *rt;
  assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
  return rt;
}

/* Runs a text in an environment. Returns its code; its error is that of the runtime. */
static int run(luapool *rt, luapool_env *env, const char *script, const char *name) {
  luapool_task *task;
  int rc = luapool_load(rt, env, script, strlen(script), name, NULL, 0, &task);
  if (rc == LUAPOOL_OK) rc = luapool_run(rt, task);
  luapool_task_release(task);
  return rc;
}

/* A field of the row on top of L's stack, or "". */
static const char *field(lua_State *L, int i, const char *name) {
  if (name)
    lua_getfield(L, -1, name);
  else
    lua_rawgeti(L, -1, i);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text ? text : "";
}

static bool fits(int rc, const char *kind) {
  static const struct {
    const char *kind;
    int code;
  } rows[] = {{"budget", LUAPOOL_ETIME},
              {"budget", LUAPOOL_ETASKS},
              {"memory", LUAPOOL_EMEMORY},
              {"run", LUAPOOL_ERUN}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rc == rows[i].code && (strcmp(kind, rows[i].kind) == 0 || strcmp(kind, "any") == 0))
      return true;
  return false;
}

static unsigned bits_of(const char *names) {
  return (strstr(names, "read") ? LUAPOOL_ALLOW_READ : 0) |
         (strstr(names, "native") ? LUAPOOL_ALLOW_NATIVE : 0);
}

/* What every script of the runtime can go on doing. */
static const char well[] = "local task = require 'luapool.task' "
                           "assert(task.spawn(function() return 1 end):await() == 1) "
                           "assert(('a1'):match '%d' == '1') "
                           "local t = {} for i = 1, 1e5 do t[i] = i end";

/* True when the script of the row on top of L's stack ended as it must. */
static bool try_hog(luapool *rt, lua_State *L) {
  const char *what = field(L, 1, NULL), *kind = field(L, 2, NULL), *text = field(L, 0, "text");
  luapool_env *env = luapool_env_new(rt, bits_of(field(L, 0, "bits")));
  assert_non_null(env);
  double begun = cpu_ms();
  int rc = run(rt, env, field(L, 3, NULL), what);
  double took = cpu_ms() - begun;
  bool good = fits(rc, kind) && strstr(luapool_error(rt), text) && took < MOST_MS;
  if (!good)
    print_message("# %s: %.0f ms, code %d: %.300s\n", what, took, rc, luapool_error(rt));
  luapool_env_release(env);
  luapool_run(rt, NULL); /* what it has left behind */
  if (run(rt, NULL, well, "well") == LUAPOOL_OK) return good;
  print_message("# after %s: %s\n", what, luapool_error(rt));
  return false;
}

static void try_all(int signal) {
  luapool *hasty = open_limited(signal, 1), *patient = open_limited(signal, PATIENCE);
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_dofile(L, "tests/support/hogs.lua")) fail_msg("%s", lua_tostring(L, -1));
  int rows = (int)lua_rawlen(L, -1), bad = 0;
  for (int i = 1; i <= rows; i++) {
    lua_rawgeti(L, -1, i);
    bad += !try_hog(strcmp(field(L, 2, NULL), "memory") ? hasty : patient, L);
    lua_pop(L, 1);
  }
  lua_close(L);
  assert_int_equal(luapool_close(hasty), LUAPOOL_OK);
  assert_int_equal(luapool_close(patient), LUAPOOL_OK);
  assert_int_equal(bad, 0);
}

static void test_with_a_signal(void **state) {
  (void)state;
  clean_skip_under_tsan();
  try_all(SIGVTALRM);
}

static void test_with_the_count_hook(void **state) {
  (void)state;
  clean_skip_under_tsan();
  try_all(0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_with_a_signal),
      cmocka_unit_test(test_with_the_count_hook),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
