/* The Lua half as compiled in: every entry is bytecode that loads, under a name of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>

#include "runtime/loop/scripts.h"

static void test_ends(void **state) {
  (void)state;
  assert_true(lp_scripts_count > 0);
  for (size_t i = 0; i < lp_scripts_count; i++) assert_non_null(lp_scripts[i].name);
  assert_null(lp_scripts[lp_scripts_count].name);
}

static void test_names(void **state) {
  (void)state;
  for (const lp_script *a = lp_scripts; a->name; a++) {
    for (const lp_script *b = a + 1; b->name; b++) assert_string_not_equal(a->name, b->name);
    assert_null(strchr(a->name, '/'));
    assert_int_equal(a->chunk[0], '=');
  }
}

/* The name that tracebacks show is that of the file. */
static void test_loads(void **state) {
  (void)state;
  lua_State *L = luaL_newstate();
  for (const lp_script *s = lp_scripts; s->name; s++) {
    int rc = luaL_loadbufferx(L, (const char *)s->bytes, s->len, s->chunk, "b");
    assert_int_equal(rc, LUA_OK);
    lua_Debug ar;
    lua_getinfo(L, ">S", &ar);
    assert_string_equal(ar.source, s->chunk);
  }
  lua_close(L);
}

static void test_module_names(void **state) {
  (void)state;
  int found = 0;
  for (const lp_script *s = lp_scripts; s->name; s++) {
    found += strcmp(s->name, "luapool") == 0 && strcmp(s->chunk, "=luapool/init.lua") == 0;
    found += strcmp(s->name, "luapool.task") == 0 && strcmp(s->chunk, "=luapool/task.lua") == 0;
  }
  assert_int_equal(found, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ends),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_loads),
      cmocka_unit_test(test_module_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
