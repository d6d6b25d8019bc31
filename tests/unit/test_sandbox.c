/* tests/unit/test_sandbox.c: environments: what is theirs, what they share, who can get out.
 *
 * The scripts that try to get out stand in tests/support/escapes.lua. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <lauxlib.h>

#include "runtime/api/modules.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"
#include "runtime/sandbox/sandbox.h"
#include "tests/support/clean.h"

/* ---- a runtime on the test's loop ---- */

typedef struct fixture {
  clean clean;
  lp_state st;
} fixture;

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->clean.fds = clean_count_fds();
  *state = f;
  int rc = uv_loop_init(&f->clean.loop);
  lp_state_options options = {.loop = &f->clean.loop, .modules = lp_modules_open};
  return rc == 0 ? lp_state_open(&f->st, &options) : rc;
}

static int teardown(void **state) {
  fixture *f = *state;
  lp_state_close(&f->st);
  return clean_teardown(state);
}

static int push_new(lua_State *L) {
  lua_pushinteger(L, lp_sandbox_new(L, (unsigned)lua_tointeger(L, 1)));
  return 1;
}

static unsigned new_environment(fixture *f, unsigned allowed) {
  lua_State *L = f->st.L;
  lua_pushcfunction(L, push_new);
  lua_pushinteger(L, allowed);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  unsigned number = (unsigned)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return number;
}

static struct {
  char text[1 << 16]; /* the first result or the error of the latest task */
  int status;         /* how it ended; -1: it has not */
} seen;

/* Protected. Arguments: the task (light), a result or its error. */
static int describe(lua_State *L) {
  lp_task *t = lua_touserdata(L, 1);
  lp_task_push(L, t);
  lua_insert(L, 2);
  if (t->status == LP_TASK_DONE)
    luaL_tolstring(L, 3, NULL);
  else
    lp_task_error_describe(L, 2);
  return 1;
}

/* No task runs now, as when a host asks for the error of one. */
static void on_end(lp_task *t, lua_State *co, int nres) {
  lua_State *L = t->st->L;
  seen.status = (int)t->status;
  *seen.text = 0;
  if (nres == 0) return;
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, t);
  lua_pushvalue(co, -nres);
  lua_xmove(co, L, 1);
  lua_pcall(L, 2, 1, 0);
  snprintf(seen.text, sizeof seen.text, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* Runs a script in the environment to its end. Returns its first result, or its error. */
static const char *run_named(fixture *f, unsigned number, const char *script,
                             const char *chunk) {
  lua_State *L = f->st.L;
  int rc = lp_environment_load(L, number, script, strlen(script), chunk);
  if (rc != LUA_OK) fail_msg("%s: %s", chunk, lua_tostring(L, -1));
  lp_task *t = lp_task_spawn(L, 0);
  lp_task_own(t, on_end, NULL);
  lp_environment_move(t, number);
  seen.status = -1;
  while (seen.status < 0 && uv_run(f->st.loop, UV_RUN_ONCE)) {
  }
  return seen.text;
}

static const char *run(fixture *f, unsigned number, const char *script) {
  return run_named(f, number, script, "=script");
}

/* Runs a script that must end well, with this result. */
static void expect(fixture *f, unsigned number, const char *script, const char *result) {
  run(f, number, script);
  if (seen.status != LP_TASK_DONE || strcmp(seen.text, result) != 0)
    fail_msg("%s\nended as %d: %s\nnot: %s", script, seen.status, seen.text, result);
}

/* ---- escapes ---- */

/* What every environment, the free one as well, must go on seeing. */
static const char intact[] =
    "assert(string.format('%d', 1) == '1' and ('x'):upper() == 'X' and #'abc' == 3)\n"
    "assert(rawget(_G, 'execute') == nil and table.concat({ 1, 2 }) == '12')\n"
    "assert(string.sum == nil and table.sum == nil and os.time() > 0 and math.type(1))\n"
    "assert(not pcall(function() return 'x' % 1 end))\n"
    "local task, json = require 'luapool.task', require 'luapool.json'\n"
    "assert(tostring(json.null) == 'null' and json.encode(json.array {}) == '[]')\n"
    "assert(task.spawn(function() return 'well' end):await() == 'well')\n"
    "assert(task.locals.user == nil)\n"
    "local queue = require('luapool.sync').queue()\n"
    "queue:put(1)\n"
    "assert(queue:get() == 1)\n"
    "local ok, e = pcall(require('luapool.error').raise, 'odd', 'text')\n"
    "assert(not ok and e.kind == 'odd' and tostring(e):find 'text')\n"
    "assert(require('luapool.html').parse('<p>a</p>'):first('p'):text() == 'a')\n"
    "return 'intact'";

static unsigned bits_of(const char *names) {
  static const struct {
    const char *name;
    unsigned bit;
  } bits[] = {{"read", LP_ALLOW_READ},     {"write", LP_ALLOW_WRITE},
              {"net", LP_ALLOW_NET},       {"exec", LP_ALLOW_EXEC},
              {"pools", LP_ALLOW_POOLS},   {"process", LP_ALLOW_PROCESS},
              {"native", LP_ALLOW_NATIVE}, {"bytecode", LP_ALLOW_BYTECODE}};
  unsigned allowed = 0;
  for (size_t i = 0; names && i < sizeof bits / sizeof *bits; i++)
    if (strstr(names, bits[i].name)) allowed |= bits[i].bit;
  return allowed;
}

/* Pushes a field of the row on top; NULL when there is none. The row keeps the string. */
static const char *row_field(lua_State *L, int i) {
  lua_rawgeti(L, -1, i);
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

/* True when the script of the row on top ended as it must. */
static bool try_escape(fixture *f, unsigned other) {
  lua_State *L = f->st.L;
  const char *what = row_field(L, 1), *error = row_field(L, 2), *script = row_field(L, 3);
  lua_getfield(L, -1, "bits");
  unsigned number = new_environment(f, bits_of(lua_tostring(L, -1)));
  lua_pop(L, 1);
  run_named(f, number, script, what);
  bool well = seen.status == LP_TASK_FAILED && strstr(seen.text, error);
  if (!well) print_message("# %s: status %d: %s\n", what, seen.status, seen.text);
  expect(f, other, intact, "intact");
  expect(f, 0, intact, "intact");
  lp_environment_release(&f->st, number);
  return well;
}

static void test_escapes_fail(void **state) {
  fixture *f = *state;
  lua_State *L = f->st.L;
  unsigned other = new_environment(f, 0);
  expect(f, other, intact, "intact");
  assert_int_equal(luaL_dofile(L, "tests/support/escapes.lua"), LUA_OK);
  int rows = (int)lua_rawlen(L, -1), escaped = 0;
  assert_true(rows >= 40);
  for (int i = 1; i <= rows; i++) {
    lua_rawgeti(L, -1, i);
    escaped += !try_escape(f, other);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  assert_int_equal(escaped, 0);
}

/* ---- what is an environment's own ---- */

static void test_globals_are_its_own(void **state) {
  fixture *f = *state;
  unsigned a = new_environment(f, 0), b = new_environment(f, 0);
  expect(f, a, "x = 1; print = nil; setmetatable(_G, {__index = function() return 7 end})", "");
  expect(f, a, "return x + y", "8");
  expect(f, b, "assert(print and _G.x == nil and getmetatable(_G) == nil) return y", "nil");
  expect(f, 0, "assert(print and x == nil and getmetatable(_G) == nil) return y", "nil");
  expect(f, a, "return load('return x')()", "1");
  expect(f, b, "return load('return x')()", "nil");
  expect(f, a, "return load('return x', '=x', 't', {x = 5})()", "5");
  expect(f, a, "return _G == _ENV and require '_G' == _G", "true");
}

static void test_modules_are_its_own(void **state) {
  fixture *f = *state;
  unsigned a = new_environment(f, 0), b = new_environment(f, 0);
  expect(f, a, "return require('luapool.yaml').load('a: 1').a", "1"); /* loads files for all */
  expect(f, a, "return package.loaded.lyaml", "nil");
  static const char offer[] =
      "package.preload.m = function(...) n = (n or 0) + 1; return {n} end";
  expect(f, a, offer, "");
  expect(f, a, "assert(require 'm' == require 'm') return n", "1");
  expect(f, b, offer, "");
  expect(f, b, "require('m').x = 2; return n", "1");
  expect(f, a, "return require('m').x", "nil");
  expect(f, a, "return package.loaded.m == require 'm'", "true");
  expect(f, a, "package.loaded = {}; package = nil; return require('m')[1]", "1");
  expect(f, a, "return select(2, pcall(require, 'none')):match 'module .none. not found'",
         "module 'none' not found");
  expect(f, a, "local l = require 'luapool'; return l.json == require 'luapool.json'", "true");
}

static void test_what_rights_open(void **state) {
  fixture *f = *state;
  unsigned native = new_environment(f, LP_ALLOW_NATIVE);
  expect(f, native, "return type(require 'lfs')", "table");
  expect(f, native, "return require 'lfs' == package.loaded.lfs", "true");
  unsigned read = new_environment(f, LP_ALLOW_READ);
  expect(f, read, "package.path = 'tests/support/?.lua' x = 5 return #require 'escapes' > 40",
         "true");
  expect(f, read, "return io.open('tests/support/escapes.lua'):read(2)", "--");
  unsigned debug = new_environment(f, LP_ALLOW_DEBUG | LP_ALLOW_BYTECODE);
  expect(f, debug, "return debug.getinfo(1, 'S').short_src", "script");
  expect(f, debug, "x = 3 return load(string.dump(load 'return x'))()", "3");
  unsigned process = new_environment(f, LP_ALLOW_PROCESS);
  expect(f, process, "return os.getenv 'PATH' ~= nil and io.type(io.stdout)", "file");
}

static void test_libraries_can_be_read(void **state) {
  fixture *f = *state;
  unsigned a = new_environment(f, 0);
  expect(f, a,
         "local n = 0; for k, v in pairs(string) do assert(string[k] == v); n = n + 1 end "
         "return n == 17 and next(string) ~= nil",
         "true");
  expect(f, a, "return getmetatable('').__index == string", "true");
  expect(f, a, "return select('#', getmetatable('')) == 1 and ('a').upper == string.upper",
         "true");
  expect(f, a, "return #table == 0 and rawlen(table) == 0", "true");
  expect(f, a, "return debug.traceback('x'):match '^x\\nstack traceback:' and #debug", "0");
  expect(f, a, "return collectgarbage 'count' > 1 and collectgarbage() == 0", "true");
}

/* Runs tests/support/reach.lua. Returns how many marks it has left, or found. */
static int reach(fixture *f, unsigned number, const char *mark, int *tables) {
  static char script[1 << 16];
  FILE *file = fopen("tests/support/reach.lua", "r");
  assert_non_null(file);
  enum { ROOM = 100 };
  int at = snprintf(script, sizeof script, "return (function(...) "), marks = -1;
  at += (int)fread(script + at, 1, sizeof script - (size_t)at - ROOM, file);
  fclose(file);
  snprintf(script + at, ROOM, "\nend)(%s)", mark);
  run_named(f, number, script, "=reach");
  if (sscanf(seen.text, "%d %d", tables, &marks) != 2 || (*mark == 'n' && marks))
    print_message("# %s\n", seen.text);
  return marks;
}

/* What a script can write is its own: neither another environment nor the free one sees it. */
static void test_nothing_that_can_be_written_is_shared(void **state) {
  fixture *f = *state;
  int tables;
  unsigned a = new_environment(f, ~0u & ~(unsigned)LP_ALLOW_DEBUG), b = new_environment(f, 0);
  assert_true(reach(f, a, "'a'", &tables) > 10);
  assert_true(tables > 50);
  assert_int_equal(reach(f, b, "nil", &tables), 0);
  lp_environment_release(&f->st, a); /* from here on it is garbage, with all that is its own */
  assert_int_equal(reach(f, 0, "nil", &tables), 0);
  assert_true(tables > 50);
}

static void test_random_numbers_are_its_own(void **state) {
  fixture *f = *state;
  unsigned a = new_environment(f, 0), b = new_environment(f, 0);
  static const char draw[] = "math.randomseed(7) return math.random(1 << 30)";
  char first[100];
  snprintf(first, sizeof first, "%s", run(f, a, draw));
  run(f, b, "math.randomseed(9)");
  run(f, b, "for _ = 1, 5 do math.random() end");
  run(f, a, "math.randomseed(7)");
  run(f, b, "math.random()");
  expect(f, a, "return math.random(1 << 30)", first);
}

/* The free environment goes on as without the others. */
static void test_free_environment_is_as_before(void **state) {
  fixture *f = *state;
  static const char extend[] =
      "function string.twice(s) return s .. s end return ('a'):twice()";
  expect(f, 0, extend, "aa");
  unsigned a = new_environment(f, 0);
  expect(f, 0, "return ('b'):twice()", "bb");
  expect(f, a, "return ('b').twice", "nil");
  expect(f, a, "return string.twice", "nil");
  expect(f, 0, "return getmetatable(setmetatable({}, {__gc = print})).__gc == print", "true");
  expect(f, 0, "return debug.getregistry ~= nil and string.dump(function() end) ~= nil",
         "true");
}

/* Whatever task runs when it is collected. */
static void test_finalizers_have_the_rights_of_the_free_one(void **state) {
  fixture *f = *state;
  unsigned a = new_environment(f, 0);
  expect(f, 0, "setmetatable({}, {__gc = function() done = pcall(os.execute) end})", "");
  for (int i = 0; i < 50 && strcmp(run(f, 0, "return done"), "nil") == 0; i++)
    expect(f, a, "for i = 1, 100000 do local t = {i} end", "");
  expect(f, 0, "return done", "true");
}

/* ---- tasks ---- */

static void test_what_it_spawns_is_in_it(void **state) {
  fixture *f = *state;
  unsigned a = new_environment(f, 0);
  expect(f, a, "task = require 'luapool.task'; x = 'own'", "");
  expect(f, a, "return task.spawn(load, 'return x'):await()()", "own");
  expect(f, a,
         "local p = task.promise(); task.spawn(task.yield):on_done(function() "
         "p:resolve(load('return x')()) end) return p:await()",
         "own");
  expect(f, a, "return coroutine.wrap(function() task.yield() return load('return x')() end)()",
         "own");
  expect(f, a, "return pcall(task.await, task.spawn(io.open, '/'))", "false");
}

static void test_collected_when_nobody_uses_it(void **state) {
  fixture *f = *state;
  unsigned a = new_environment(f, 0);
  lp_environment_release(&f->st, a);
  unsigned b = new_environment(f, 0);
  assert_int_equal(b, a);
  run(f, b,
      "task = require 'luapool.task'; task.spawn(function() task.sleep(0.01) "
      "done = load('return x')() end) x = 1");
  lp_environment_release(&f->st, b); /* its task runs on */
  unsigned c = new_environment(f, 0);
  assert_int_not_equal(c, b);
  while (uv_run(f->st.loop, UV_RUN_ONCE)) {
  }
  assert_int_equal(new_environment(f, 0), b);
}

/* ---- what it costs ---- */

static void test_costs_at_most_20_kb(void **state) {
  fixture *f = *state;
  enum { MANY = 100, MOST = 20 * 1024 };
  new_environment(f, 0);
  lua_gc(f->st.L, LUA_GCCOLLECT);
  size_t before = f->st.heap.used;
  for (int i = 0; i < MANY; i++) new_environment(f, 0);
  lua_gc(f->st.L, LUA_GCCOLLECT);
  size_t each = (f->st.heap.used - before) / MANY;
  print_message("# an environment: %zu bytes\n", each);
  assert_true(each <= MOST);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define own_test(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
      own_test(test_escapes_fail),
      own_test(test_globals_are_its_own),
      own_test(test_modules_are_its_own),
      own_test(test_what_rights_open),
      own_test(test_libraries_can_be_read),
      own_test(test_nothing_that_can_be_written_is_shared),
      own_test(test_random_numbers_are_its_own),
      own_test(test_free_environment_is_as_before),
      own_test(test_finalizers_have_the_rights_of_the_free_one),
      own_test(test_what_it_spawns_is_in_it),
      own_test(test_collected_when_nobody_uses_it),
      own_test(test_costs_at_most_20_kb),
  };
  cmocka_set_message_output(CM_OUTPUT_TAP);
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
