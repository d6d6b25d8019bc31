/* tests/unit/test_state.c: how a runtime is opened and closed: on what, with what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <unistd.h>

#include "runtime/loop/state.h"
#include "runtime/loop/task.h"
#include "tests/support/clean.h"

/* Runs source text outside any task; its string result, if any, stays on the stack. */
static const char *eval(lua_State *L, const char *source) {
  if (luaL_dostring(L, source) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  return lua_gettop(L) ? lua_tostring(L, -1) : NULL;
}

/* ---- the seed ---- */

static const char ORDER[] = "local t, seen = {}, {} "
                            "for i = 1, 200 do t['key' .. i * 7] = i end "
                            "for name in pairs(t) do seen[#seen + 1] = name end "
                            "return table.concat(seen, ' ') .. ' ' .. math.random(1 << 50)";

static int print_order(uint64_t seed, FILE *out) {
  lp_state st;
  int rc = lp_state_open(&st, &(lp_state_options){.seed = seed});
  if (rc < 0) return rc;
  fprintf(out, "%s\n", eval(st.L, ORDER));
  lp_state_close(&st);
  return 0;
}

/* In a process of its own, whose addresses are others. */
static void order_elsewhere(uint64_t seed, char *text, size_t size) {
  char command[200], program[100] = "";
  assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
  snprintf(command, sizeof command, "'%s' order %llu", program, (unsigned long long)seed);
  FILE *f = popen(command, "r");
  assert_non_null(f);
  assert_non_null(fgets(text, (int)size, f));
  assert_int_equal(pclose(f), 0);
}

static void test_a_seed_decides_the_order_of_strings_and_random_numbers(void **state) {
  (void)state;
  static char first[8000], again[8000], other[8000];
  order_elsewhere(42, first, sizeof first);
  order_elsewhere(42, again, sizeof again);
  order_elsewhere(43, other, sizeof other);
  assert_string_equal(first, again);
  assert_string_not_equal(first, other);
}

static void test_without_a_seed_each_runtime_has_another_order(void **state) {
  (void)state;
  static char first[8000], again[8000];
  order_elsewhere(0, first, sizeof first);
  order_elsewhere(0, again, sizeof again);
  assert_string_not_equal(first, again);
}

/* ---- the allocator ---- */

typedef struct account {
  size_t bytes, most, calls;
} account;

static void *host_alloc(void *user, void *p, size_t old_size, size_t new_size) {
  account *a = user;
  a->calls++;
  a->bytes += new_size - (p ? old_size : 0);
  if (a->bytes > a->most) a->most = a->bytes;
  if (new_size > 0) return realloc(p, new_size);
  free(p);
  return NULL;
}

static void test_the_allocator_of_the_host_has_all_of_lua(void **state) {
  (void)state;
  account a = {0};
  lp_state st;
  assert_int_equal(lp_state_open(&st, &(lp_state_options){.alloc = host_alloc, .user = &a}), 0);
  assert_int_equal(st.heap.used, a.bytes);
  eval(st.L, "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(i) end return 'done'");
  assert_int_equal(st.heap.used, a.bytes);
  assert_true(a.most > 500000);
  lp_state_close(&st);
  assert_int_equal(a.bytes, 0);
}

static void test_the_allocator_and_a_seed(void **state) {
  (void)state;
  account a = {0};
  lp_state st;
  lp_state_options o = {.alloc = host_alloc, .user = &a, .seed = 7};
  assert_int_equal(lp_state_open(&st, &o), 0);
  assert_int_equal(st.heap.used, a.bytes);
  lp_state_close(&st);
  assert_int_equal(a.bytes, 0);
}

/* ---- a Lua state of the host ---- */

static const char GLOBALS[] =
    "local t = {} "
    "for name, value in pairs(_G) do t[#t + 1] = name .. '=' .. tostring(value) end "
    "for _, lib in ipairs{coroutine, debug, os, io, string, table} do "
    "  for name, value in pairs(lib) do t[#t + 1] = name .. '=' .. tostring(value) end "
    "end "
    "table.sort(t) return table.concat(t, '\\n')";

static int push_current(lua_State *L) {
  lua_pushboolean(L, lp_state_of(L)->L != NULL && lp_state_of(L)->attached);
  return 1;
}

static int note(lua_State *L) {
  lua_pushboolean(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "noted");
  return 0;
}

static void turn(lp_state *st) {
  for (int i = 0; i < 10; i++) uv_run(st->loop, UV_RUN_NOWAIT);
}

static void test_a_state_of_the_host_stays_as_it_is(void **state) {
  (void)state;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  uintptr_t *extra = lua_getextraspace(L);
  *extra = 0x1234567;
  eval(L, "old = coroutine.create(function(f) return f() end)");
  char *before = strdup(eval(L, GLOBALS));
  lua_settop(L, 0);
  lp_state st, second;
  assert_int_equal(lp_state_open(&st, &(lp_state_options){.L = L}), 0);
  assert_int_equal(lp_state_open(&second, &(lp_state_options){.L = L}), -EEXIST);
  assert_int_equal(lua_gettop(L), 0);
  assert_string_equal(eval(L, GLOBALS), before);
  lua_pushcfunction(L, note);
  lp_task_spawn(L, 0);
  turn(&st);
  assert_int_equal(lua_getfield(L, LUA_REGISTRYINDEX, "noted"), LUA_TBOOLEAN);
  lua_register(L, "attached", push_current);
  eval(L, "local _, yes = coroutine.resume(old, attached) assert(yes)");
  lp_state_close(&st);
  assert_int_equal(*extra, 0x1234567);
  lua_close(L);
  free(before);
}

static void test_states_of_hosts_and_own_ones_side_by_side(void **state) {
  (void)state;
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  lp_state own, there;
  assert_int_equal(lp_state_open(&own, NULL), 0);
  assert_int_equal(lp_state_open(&there, &(lp_state_options){.L = L}), 0);
  assert_ptr_equal(lp_state_of(L), &there);
  assert_ptr_equal(lp_state_of(own.L), &own);
  lp_state_close(&there);
  assert_ptr_equal(lp_state_of(own.L), &own);
  assert_int_equal(lp_state_open(&there, &(lp_state_options){.L = L}), 0);
  lp_state_close(&there);
  lp_state_close(&own);
  lua_close(L);
}

int main(int argc, char **argv) {
  if (argc == 3) return print_order(strtoull(argv[2], NULL, 10), stdout) < 0;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_a_seed_decides_the_order_of_strings_and_random_numbers),
      cmocka_unit_test(test_without_a_seed_each_runtime_has_another_order),
      cmocka_unit_test(test_the_allocator_of_the_host_has_all_of_lua),
      cmocka_unit_test(test_the_allocator_and_a_seed),
      cmocka_unit_test(test_a_state_of_the_host_stays_as_it_is),
      cmocka_unit_test(test_states_of_hosts_and_own_ones_side_by_side),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
