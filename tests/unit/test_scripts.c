/* The Lua half as compiled in: every entry is bytecode that loads, under a name of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "runtime/api/modules.h"
#include "runtime/loop/scripts.h"
#include "runtime/loop/state.h"

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

static unsigned flags_of(lua_State *L) {
  lua_Debug ar;
  lua_getinfo(L, ">S", &ar);
  return lp_script_flags(&ar);
}

/* A script has the flags, and keeps them when it travels; its name alone does not give them. */
static void test_flags(void **state) {
  (void)state;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  for (const lp_script *s = lp_scripts; s->name; s++) {
    luaL_loadbufferx(L, (const char *)s->bytes, s->len, s->chunk, "b");
    lua_setglobal(L, "script");
    assert_int_equal(luaL_loadstring(L, "return load(string.dump(script))"), LUA_OK);
    lua_call(L, 0, 1);
    unsigned flags = flags_of(L);
    assert_true(flags & LP_SCRIPT_OURS);
    bool sync = strncmp(s->name, "luapool.internal.sync.", 22) == 0;
    if (sync) assert_true(flags & LP_SCRIPT_WHOLE);
    if (strcmp(s->name, "luapool.retry") == 0) assert_false(flags & LP_SCRIPT_WHOLE);
    lua_pushstring(L, s->chunk);
    lua_setglobal(L, "name");
    assert_int_equal(luaL_loadstring(L, "return load('', name), load('', name .. '\\0\\3')"),
                     LUA_OK);
    lua_call(L, 0, 2);
    assert_int_equal(flags_of(L), 0);
    assert_int_equal(flags_of(L), 0);
  }
  lua_close(L);
}

/* A whole script is known by identity: no chunk that has its name, flags and all, is taken for
 * one, be it text or bytecode, nor a copy of its own bytecode. */
static void test_trust(void **state) {
  (void)state;
  static const char code[] =
      "local ours = require('luapool.task').gather\n"
      "local name = debug.getinfo(ours, 'S').source\n"
      "local mine = '=' .. ('x'):rep(#name - 1)\n"
      "local bytes = string.dump(load('while true do end', mine))\n"
      "local at = bytes:find(mine, 1, true)\n"
      "local forged = load(bytes:sub(1, at - 1) .. name .. bytes:sub(at + #mine))\n"
      "assert(debug.getinfo(forged, 'S').source == name)\n"
      "return ours, load('', name), forged, load(string.dump(ours))\n";
  lp_state st;
  assert_int_equal(lp_state_open(&st, &(lp_state_options){.modules = lp_modules_open}), 0);
  lua_State *L = st.L;
  assert_int_equal(luaL_loadstring(L, code), LUA_OK);
  assert_int_equal(lua_pcall(L, 0, 4, 0), LUA_OK);
  for (int i = 4; i >= 1; i--) {
    lua_Debug ar;
    lua_getinfo(L, ">S", &ar);
    assert_int_equal(lp_trust_is_whole(&st, &ar), i == 1);
  }
  lp_state_close(&st);
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
      cmocka_unit_test(test_ends),         cmocka_unit_test(test_names),
      cmocka_unit_test(test_loads),        cmocka_unit_test(test_flags),
      cmocka_unit_test(test_module_names), cmocka_unit_test(test_trust),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
