/* How C of a host and Lua meet: protected calls, modules, tasks from C, luapool_pcall. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/host.h"

/* The thread sanitizer keeps a signal back until the next call of libc: budgets and slices come
 * from the count hook alone there. */
#ifdef __SANITIZE_THREAD__
enum { SIGNALS = 1 };
#else
enum { SIGNALS = 2 };
#endif

/* ---- C functions of the host ---- */

static luapool *here;

/* How often the module was opened. */
static int opened;

enum { CONTEXT = -12345 };

static int finish_guarded(lua_State *L, int status, intptr_t context) {
  assert_int_equal(context, CONTEXT);
  bool good = status == LUA_OK || status == LUA_YIELD;
  lua_pushboolean(L, good);
  lua_replace(L, 1);
  lua_pushstring(L, good ? "good" : "bad");
  lua_insert(L, 2);
  return lua_gettop(L);
}

/* host.guarded(f, ...) -> ok, "good" or "bad", results of f or its error. */
static int host_guarded(lua_State *L) {
  lua_pushnil(L);
  lua_insert(L, 1);
  int status =
      luapool_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, finish_guarded, (intptr_t)CONTEXT);
  return finish_guarded(L, status, CONTEXT);
}

static int finish_three(lua_State *L, int status, intptr_t context) {
  assert_int_equal(context, 7);
  if (status != LUA_OK && status != LUA_YIELD) return lua_error(L);
  assert_int_equal(lua_gettop(L), 1 + 3);
  return 4;
}

/* host.three("below", f, ...) -> "below", three results. */
static int host_three(lua_State *L) {
  int status = luapool_pcall(L, lua_gettop(L) - 2, 3, finish_three, 7);
  return finish_three(L, status, 7);
}

/* host.whole(f) -> status, result or error: nothing is suspended within f. */
static int host_whole(lua_State *L) {
  int status = luapool_pcall(L, lua_gettop(L) - 1, 1, NULL, 0);
  lua_pushinteger(L, status);
  lua_insert(L, 1);
  return 2;
}

static int finish_plain(lua_State *L, int status, intptr_t context) {
  (void)status, (void)context;
  return lua_gettop(L);
}

/* host.plain(f, ...): waits pass through lua_callk, too. */
static int host_plain(lua_State *L) {
  lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, finish_plain);
  return finish_plain(L, LUA_OK, 0);
}

static luapool_task *started;

/* host.start(f, ...): makes a task, which the host follows. */
static int host_start(lua_State *L) {
  assert_int_equal(luapool_start_top(L, lua_gettop(L) - 1, &started), LUAPOOL_OK);
  return 0;
}

/* host.lose(f, ...): makes a task that nobody follows. */
static int host_lose(lua_State *L) {
  assert_int_equal(luapool_start_top(L, lua_gettop(L) - 1, NULL), LUAPOOL_OK);
  assert_int_equal(lua_gettop(L), 0);
  return 0;
}

static int host_is_here(lua_State *L) {
  lua_pushboolean(L, luapool_of(L) == here);
  return 1;
}

static int open_host(lua_State *L) {
  static const luaL_Reg functions[] = {{"guarded", host_guarded}, {"three", host_three},
                                       {"whole", host_whole},     {"plain", host_plain},
                                       {"start", host_start},     {"lose", host_lose},
                                       {"is_here", host_is_here}, {NULL, NULL}};
  opened++;
  luaL_newlib(L, functions);
  return 1;
}

static int setup(void **state) {
  opened = 0;
  started = NULL;
  *state = here = host_open(open_host);
  return 0;
}

static int teardown(void **state) {
  luapool_task_release(started);
  luapool_close(*state);
  return 0;
}

/* ---- luapool_protect ---- */

static int set_global(lua_State *L) {
  assert_int_equal(lua_gettop(L), 1);
  lua_pushinteger(L, *(int *)lua_touserdata(L, 1));
  lua_setglobal(L, "given");
  return 0;
}

static void test_protect(void **state) {
  int value = 31;
  assert_int_equal(luapool_protect(*state, set_global, &value), LUAPOOL_OK);
  assert_string_equal(luapool_error(*state), "");
  host_run(*state, "assert(given == 31)");
}

static int raise_text(lua_State *L) {
  return luaL_error(L, "no %s", "luck");
}

static int raise_table(lua_State *L) {
  lua_newtable(L);
  return lua_error(L);
}

static int want_much(lua_State *L) {
  lua_newuserdatauv(L, 64 << 20, 0);
  return 0;
}

static void test_protect_within_the_ceiling(void **state) {
  (void)state;
  luapool_options options = LUAPOOL_OPTIONS;
  luapool *rt;
  options.memory = 16 << 20;
  assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
  assert_int_equal(luapool_protect(rt, want_much, NULL), LUAPOOL_EMEMORY);
  assert_string_not_equal(luapool_error(rt), "");
  luapool_close(rt);
}

static int overflow(lua_State *L) {
  luaL_checkstack(L, 10000000, "too many");
  return 0;
}

static void test_protect_fails(void **state) {
  assert_int_equal(luapool_protect(*state, raise_text, NULL), LUAPOOL_ERUN);
  assert_string_equal(luapool_error(*state), "no luck");
  assert_int_equal(luapool_protect(*state, raise_table, NULL), LUAPOOL_ERUN);
  assert_string_not_equal(luapool_error(*state), "");
  assert_int_equal(luapool_protect(*state, overflow, NULL), LUAPOOL_ERUN);
  test_protect(state);
}

static int keep_results(lua_State *L) {
  for (int i = 0; i < 100; i++) {
    luaL_checkstack(L, 1, NULL);
    lua_pushinteger(L, i);
  }
  return 100;
}

static int run_endless(lua_State *L) {
  if (luaL_loadstring(L, "while true do pcall(function() while true do end end) end"))
    return lua_error(L);
  lua_call(L, 0, 0);
  return 0;
}

static int protect_endless(lua_State *L) {
  lua_pushinteger(L, luapool_protect(luapool_of(L), run_endless, NULL));
  return 1;
}

/* The same in a C function of a task. */
static int open_endless(lua_State *L) {
  lua_pushcfunction(L, protect_endless);
  return 1;
}

/* What a script does there is bounded by block_us, with a signal and without. */
static void test_protect_ends(void **state) {
  (void)state;
  static const int signals[] = {0, SIGVTALRM};
  for (int i = 0; i < SIGNALS; i++) {
    luapool_options options = LUAPOOL_OPTIONS;
    luapool *rt;
    options.allowed = LUAPOOL_ALLOW_ALL;
    options.block_us = 20000;
    options.signal = signals[i];
    assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
    assert_int_equal(luapool_protect(rt, run_endless, NULL), LUAPOOL_ETIME);
    assert_non_null(strstr(luapool_error(rt), "block_us"));
    assert_int_equal(luapool_module(rt, "host", open_endless), LUAPOOL_OK);
    host_run(rt, "assert(host() == -4)");
    assert_int_equal(luapool_protect(rt, raise_text, NULL), LUAPOOL_ERUN);
    luapool_close(rt);
  }
}

/* What it returns is dropped. */
static void test_protect_many_times(void **state) {
  for (int i = 0; i < 10000; i++)
    assert_int_equal(luapool_protect(*state, keep_results, NULL), LUAPOOL_OK);
}

static int protect_again(lua_State *L) {
  int value = 5;
  assert_int_equal(luapool_protect(luapool_of(L), set_global, &value), LUAPOOL_OK);
  assert_int_equal(luapool_protect(luapool_of(L), raise_text, NULL), LUAPOOL_ERUN);
  return 0;
}

static void test_protect_within(void **state) {
  assert_int_equal(luapool_protect(*state, protect_again, NULL), LUAPOOL_OK);
  host_run(*state, "assert(given == 5)");
}

/* ---- modules ---- */

static void test_module(void **state) {
  host_run(*state, "assert(require 'host' == host and host.is_here())");
  assert_int_equal(opened, 1);
}

static int open_badly(lua_State *L) {
  return luaL_error(L, "it is not ready");
}

static void test_module_that_fails(void **state) {
  assert_int_equal(luapool_module(*state, "bad", open_badly), LUAPOOL_OK);
  host_run(*state, "local ok, err = pcall(require, 'bad')\n"
                   "assert(not ok and tostring(err):find 'not ready')");
  assert_int_equal(luapool_module(*state, NULL, open_badly), LUAPOOL_EARGUMENT);
  assert_int_equal(luapool_module(*state, "bad", NULL), LUAPOOL_EARGUMENT);
}

static void test_module_with_dots(void **state) {
  assert_int_equal(luapool_module(*state, "my.own.host", open_host), LUAPOOL_OK);
  host_run(*state, "assert(require 'my.own.host'.is_here())");
}

/* Each environment has an instance of its own, a sandbox, too. */
static void test_module_in_a_sandbox(void **state) {
  static const char script[] = "local host = require 'host'\n"
                               "host.mark = (host.mark or 0) + 1\n"
                               "return host.mark, host.guarded(function() return 5 end)";
  for (int i = 0; i < 2; i++) {
    luapool_env *env = luapool_env_new(*state, 0);
    luapool_task *task;
    assert_non_null(env);
    assert_int_equal(
        luapool_load(*state, env, script, sizeof script - 1, "=boxed", NULL, 0, &task),
        LUAPOOL_OK);
    if (luapool_run(*state, task) < 0) fail_msg("%s", luapool_task_error(task));
    luapool_value mark;
    assert_int_equal(luapool_task_result(task, 0, &mark), 4);
    assert_int_equal(mark.as.integer, 1);
    luapool_task_release(task);
    luapool_env_release(env);
  }
  assert_int_equal(opened, 2);
}

/* ---- tasks from C ---- */

static int check_results(lua_State *L) {
  int n = luapool_results(started, L);
  assert_int_equal(n, 3);
  assert_int_equal(lua_gettop(L), 1 + 3);
  assert_int_equal(lua_tointeger(L, 2), 8);
  assert_true(lua_isnil(L, 3));
  lua_getfield(L, 4, "x");
  assert_int_equal(lua_tointeger(L, -1), 1);
  return 0;
}

static void test_start_top(void **state) {
  host_run(*state, "host.start(function(a, b)\n"
                   "  task.sleep(0.001) return a + b, nil, {x = 1}\n"
                   "end, 3, 5)");
  assert_int_equal(luapool_task_status(started), LUAPOOL_MORE);
  assert_int_equal(luapool_run(*state, started), LUAPOOL_OK);
  assert_int_equal(luapool_protect(*state, check_results, NULL), LUAPOOL_OK);
}

static int check_failure(lua_State *L) {
  assert_int_equal(luapool_results(started, L), LUAPOOL_ERUN);
  assert_int_equal(lua_gettop(L), 2);
  lua_getfield(L, -1, "why");
  assert_string_equal(lua_tostring(L, -1), "late");
  return 0;
}

static void test_results_of_a_failed_task(void **state) {
  host_run(*state, "host.start(error, {why = 'late'})");
  assert_int_equal(luapool_run(*state, started), LUAPOOL_ERUN);
  assert_int_equal(luapool_protect(*state, check_failure, NULL), LUAPOOL_OK);
}

static void test_start_top_for_nobody(void **state) {
  host_run(*state, "local seen\n"
                   "host.lose(function(x) seen = x end, 4)\n"
                   "task.sleep(0) assert(seen == 4)");
}

static int watched_results;

static int count_results(lua_State *L) {
  watched_results = luapool_results(started, L);
  return 0;
}

static void watch(void *user, luapool_task *task) {
  (void)task;
  assert_int_equal(luapool_protect(user, count_results, NULL), LUAPOOL_OK);
}

/* The host takes the results where it is told that they are there. */
static void test_results_in_a_callback(void **state) {
  host_run(*state, "host.start(function() task.sleep(0) return 1, {}, 3 end)");
  assert_int_equal(luapool_task_watch(started, watch, *state), LUAPOOL_OK);
  assert_int_equal(luapool_run(*state, started), LUAPOOL_OK);
  assert_int_equal(watched_results, 3);
}

/* ---- luapool_pcall ---- */

static void test_pcall(void **state) {
  host_run(*state, "local ok, how, a, b = host.guarded(function(x, y) return y, x end, 1, 2)\n"
                   "assert(ok and how == 'good' and a == 2 and b == 1)\n"
                   "assert(select('#', host.guarded(function() end)) == 2)\n"
                   "local ok, how, err = host.guarded(error, 'boom')\n"
                   "assert(not ok and how == 'bad' and err == 'boom')");
}

static void test_pcall_fixed_results(void **state) {
  host_run(*state, "local function f(...) task.sleep(0) return ... end\n"
                   "for _, call in ipairs{f, function(...) return ... end} do\n"
                   "  local below, a, b, c = host.three('below', call, 1)\n"
                   "  assert(below == 'below' and a == 1 and b == nil and c == nil)\n"
                   "  below, a, b, c = host.three('below', call, 1, 2, 3, 4)\n"
                   "  assert(below == 'below' and a == 1 and b == 2 and c == 3)\n"
                   "end");
}

static void test_waits_pass(void **state) {
  host_run(*state, "local function f(x) task.sleep(0.001) return x, x + 1 end\n"
                   "local ok, how, a, b = host.guarded(f, 1)\n"
                   "assert(ok and how == 'good' and a == 1 and b == 2)\n"
                   "local function g() task.sleep(0) error({1}) end\n"
                   "local ok, how, err = host.guarded(g)\n"
                   "assert(not ok and how == 'bad' and err[1] == 1)\n"
                   "assert(host.plain(f, 4) == 4)");
}

static void test_waits_pass_many_levels(void **state) {
  host_run(*state, "local function deep(n)\n"
                   "  if n == 0 then task.sleep(0.001) return 'bottom' end\n"
                   "  return select(3, host.guarded(pcall, deep, n - 1))\n"
                   "end\n"
                   "assert(select(2, pcall(deep, 20)))\n"
                   "local co = coroutine.wrap(function()\n"
                   "  local _, _, v = host.guarded(function()\n"
                   "    coroutine.yield(1) task.sleep(0) coroutine.yield(2) return 3\n"
                   "  end)\n"
                   "  return v\n"
                   "end)\n"
                   "assert(co() == 1 and co() == 2 and co() == 3)");
}

/* Others run while it computes within the call. */
static void test_slices_pass(void **state) {
  (void)state;
  static const int signals[] = {0, SIGVTALRM};
  for (int i = 0; i < SIGNALS; i++) {
    luapool_options options = LUAPOOL_OPTIONS;
    luapool *rt;
    options.allowed = LUAPOOL_ALLOW_ALL;
    options.slice_us = 1000;
    options.signal = signals[i];
    assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
    assert_int_equal(luapool_module(rt, "host", open_host), LUAPOOL_OK);
    host_run(rt, "local over\n"
                 "task.spawn(function() over = true end)\n"
                 "host.guarded(function() while not over do end end)");
    luapool_close(rt);
  }
}

/* The error of a cancellation that C has caught is raised again at the next wait. */
static void test_cancellation_is_caught(void **state) {
  host_run(*state, "local kinds = {}\n"
                   "local t = task.spawn(function()\n"
                   "  for i = 1, 3 do\n"
                   "    local ok, how, err = host.guarded(task.sleep, 60)\n"
                   "    kinds[i] = not ok and err.kind\n"
                   "  end\n"
                   "  kinds[4] = kind(pcall(task.sleep, 60))\n"
                   "end)\n"
                   "task.sleep(0)\n"
                   "t:cancel()\n"
                   "t:result()\n"
                   "for i = 1, 4 do assert(kinds[i] == 'cancelled', i) end");
}

static void test_pcall_without_continuation(void **state) {
  host_run(*state, "local status, err = host.whole(task.sleep, 0)\n"
                   "assert(status ~= 0 and err.kind == 'cannot_wait')\n"
                   "assert(err.message:find \"C function 'host.whole'\", err.message)\n"
                   "local status, v = host.whole(function() return 5 end)\n"
                   "assert(status == 0 and v == 5)");
}

/* The obstacle is what stands below or above, never the function through which waits pass. */
static void test_obstacle_is_named(void **state) {
  host_run(*state, "local function sorts(f)\n"
                   "  table.sort({3, 1, 2}, function(a, b) f() return a < b end)\n"
                   "end\n"
                   "local function text(f, ...)\n"
                   "  local ok, err = pcall(f, ...)\n"
                   "  assert(not ok and err.kind == 'cannot_wait')\n"
                   "  return err.message\n"
                   "end\n"
                   "local function wait() task.sleep(0) end\n"
                   "local function through()\n"
                   "  local ok, _, err = host.guarded(wait)\n"
                   "  if not ok then error(err, 0) end\n"
                   "end\n"
                   "local m = text(sorts, through)\n"
                   "assert(m:find \"C function 'table.sort'\", m)\n"
                   "m = text(function()\n"
                   "  local ok, _, err = host.guarded(sorts, wait)\n"
                   "  error(err, 0)\n"
                   "end)\n"
                   "assert(m:find \"C function 'table.sort'\", m)");
}

#define native_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      native_test(test_protect),
      native_test(test_protect_fails),
      native_test(test_protect_within_the_ceiling),
      cmocka_unit_test(test_protect_ends),
      native_test(test_protect_many_times),
      native_test(test_protect_within),
      native_test(test_module),
      native_test(test_module_that_fails),
      native_test(test_module_with_dots),
      native_test(test_module_in_a_sandbox),
      native_test(test_start_top),
      native_test(test_results_of_a_failed_task),
      native_test(test_start_top_for_nobody),
      native_test(test_results_in_a_callback),
      native_test(test_pcall),
      native_test(test_pcall_fixed_results),
      native_test(test_waits_pass),
      native_test(test_waits_pass_many_levels),
      native_test(test_slices_pass),
      native_test(test_cancellation_is_caught),
      native_test(test_pcall_without_continuation),
      native_test(test_obstacle_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
