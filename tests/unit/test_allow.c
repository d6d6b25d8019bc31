/* What scripts may do to the outside: each function that reaches out asks, bits and host. The
 * rows are in tests/support/outside.lua. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "runtime/api/modules.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/task.h"
#include "runtime/sandbox/sandbox.h"

enum { MOST = 4096 };

/* ---- a runtime, its host, and an environment ---- */

typedef struct fixture {
  lp_state st;
  unsigned environment;
  /* What the host accepts, by how it begins; how often it was asked. */
  const char *accepts;
  int asked;
  /* How the latest task has ended, and its first result or error. */
  int status;
  char text[MOST];
} fixture;

static int ask(lp_state *st, unsigned what, const char *subject) {
  fixture *f = lp_list_of(st, fixture, st);
  (void)what;
  f->asked++;
  return f->accepts && strncmp(subject, f->accepts, strlen(f->accepts)) == 0;
}

static int push_environment(lua_State *L) {
  lua_pushinteger(L, lp_sandbox_new(L, (unsigned)lua_tointeger(L, 1)));
  return 1;
}

static void open_with(fixture *f, unsigned allowed, bool asks) {
  lp_state_options options = {.modules = lp_modules_open};
  memset(f, 0, sizeof *f);
  assert_int_equal(lp_state_open(&f->st, &options), 0);
  lp_allow_open(&f->st, LP_ALLOW_ALL, asks ? ask : NULL);
  lua_State *L = f->st.L;
  lua_pushcfunction(L, push_environment);
  lua_pushinteger(L, allowed);
  assert_int_equal(lua_pcall(L, 1, 1, 0), LUA_OK);
  f->environment = (unsigned)lua_tointeger(L, -1);
  lua_pop(L, 1);
}

static void on_end(lp_task *t, lua_State *co, int nres) {
  fixture *f = lp_task_owner(t, on_end);
  f->status = (int)t->status;
  snprintf(f->text, sizeof f->text, "%s", nres ? luaL_tolstring(co, -nres, NULL) : "");
}

/* Runs a text in the environment; two strings are its arguments. It must end well. */
static void run(fixture *f, const char *code, const char *a, const char *b) {
  lua_State *L = f->st.L;
  int rc = lp_environment_load(L, f->environment, code, strlen(code), "=test");
  if (rc != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  lua_pushstring(L, a);
  lua_pushstring(L, b);
  lp_task *t = lp_task_spawn(L, 2);
  lp_task_own(t, on_end, f);
  lp_environment_move(t, f->environment);
  f->status = -1;
  while (f->status < 0 && uv_run(f->st.loop, UV_RUN_ONCE)) {
  }
  if (f->status != LP_TASK_DONE) fail_msg("%s", f->text);
}

/* The same for tests/support/outside.lua. */
static void run_rows(fixture *f, const char *phase) {
  static char code[1 << 16];
  FILE *file = fopen("tests/support/outside.lua", "r");
  assert_non_null(file);
  size_t n = fread(code, 1, sizeof code - 1, file);
  fclose(file);
  code[n] = 0;
  run(f, code, phase, getenv("HOME"));
}

static void test_bits(void **state) {
  fixture f;
  (void)state;
  open_with(&f, 0, false);
  run_rows(&f, "bits");
  assert_true(atoi(f.text) > 60);
  lp_state_close(&f.st);
}

static void test_host(void **state) {
  fixture f;
  (void)state;
  open_with(&f, LP_ALLOW_ALL, true);
  run_rows(&f, "host");
  assert_true(f.asked > 60);
  f.accepts = "http://127.0.0.1:9/";
  run_rows(&f, "options");
  lp_state_close(&f.st);
}

/* The host is told where a path leads, and so judges what will be opened. */
static void test_links(void **state) {
  (void)state;
  fixture f;
  char dir[] = "/tmp/luapool-test-XXXXXX", code[MOST], real[MOST / 4], wanted[MOST];
  assert_non_null(mkdtemp(dir));
  assert_non_null(realpath(dir, real));
  snprintf(code, sizeof code, "%s/up", dir);
  assert_int_equal(symlink("..", code), 0);
  snprintf(code, sizeof code, "%s/out", dir);
  assert_int_equal(symlink("no-such/secret", code), 0);
  open_with(&f, LP_ALLOW_ALL, true);
  snprintf(code, sizeof code,
           "local fs = require 'luapool.fs' "
           "local function refused(f, path) "
           "  local ok, e = pcall(f, '%s/' .. path, f == fs.write and 'x' or nil) "
           "  assert(not ok and e.kind == 'denied', path) return e.subject end "
           "local dir = '%s' "
           "local function is(a, b) assert(a == b, a .. ' ' .. b) end "
           "is(refused(fs.read, 'up/./x/../y'), '/tmp/y') "
           "is(refused(fs.write, 'out'), dir .. '/no-such/secret') "
           "is(refused(fs.remove, 'out'), dir .. '/out') "
           "is(refused(fs.remove, 'out/'), dir .. '/no-such/secret') "
           "is(refused(fs.remove, 'a/../../b'), '/tmp/b') "
           "is(refused(fs.read, ('../'):rep(40) .. 'etc//passwd'), '/etc/passwd') ",
           dir, real);
  run(&f, code, NULL, NULL);
  snprintf(wanted, sizeof wanted, "%s/up", dir);
  unlink(wanted);
  snprintf(wanted, sizeof wanted, "%s/out", dir);
  unlink(wanted);
  rmdir(dir);
  lp_state_close(&f.st);
}

/* SQL reaches other files only where nobody is to be asked. */
static void test_sql(void **state) {
  (void)state;
  static const char code[] =
      "local sqlite = require 'luapool.sqlite' "
      "local db <close> = sqlite.open ':memory:' "
      "db:exec [[CREATE TABLE t (n); INSERT INTO t VALUES (1); ATTACH ':memory:' AS m; "
      "  CREATE TABLE m.u (n); VACUUM]] "
      "for _, sql in ipairs { "
      "  [[ATTACH '/tmp/luapool-none' AS x]], [[ATTACH '/tmp/' || 'luapool-none' AS x]], "
      "  [[VACUUM INTO '/tmp/luapool-none']], [[SELECT load_extension('/tmp/x')]], "
      "  [[PRAGMA temp_store_directory = '/tmp']], [[PRAGMA hard_heap_limit = 1]], "
      "  [[PRAGMA temp_store = FILE]] } do "
      "  local ok, e = pcall(db.exec, db, sql) "
      "  assert(not ok and e.kind == 'denied', sql .. ': ' .. tostring(e)) "
      "end "
      "assert(not pcall(db.exec, db, [[ATTACH ? AS x]], '/tmp/luapool-none')) "
      "assert(db:first('SELECT n FROM t').n == 1)";
  fixture f;
  open_with(&f, 0, false);
  run(&f, code, NULL, NULL);
  lp_state_close(&f.st);
  open_with(&f, LP_ALLOW_ALL, true);
  run(&f, code, NULL, NULL);
  lp_state_close(&f.st);
  assert_int_equal(access("/tmp/luapool-none", F_OK), -1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bits),
      cmocka_unit_test(test_host),
      cmocka_unit_test(test_links),
      cmocka_unit_test(test_sql),
  };
  unsetenv("TMPDIR");
  setenv("HOME", "/no/home", 1);
  cmocka_set_message_output(CM_OUTPUT_TAP);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
