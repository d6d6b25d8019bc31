/* The counted functions beside the standard ones: CPU of the same calls in both, which a
 * sandbox pays. Prints a line for each: what, nanoseconds a call of ours, of the standard one.
 */
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "runtime/api/api.h"
#include "runtime/counted/counted.h"

static const struct {
  const char *what, *library, *setup, *call;
} rows[] = {
    {"find, a word in a line", "string", "local s = ('lorem ipsum '):rep(8) .. 'dolor=1'",
     "string.find(s, '(%a+)=(%d+)')"},
    {"match, anchored", "string", "local s = '2026-11-27T05:40:12Z'",
     "string.match(s, '^(%d+)-(%d+)-(%d+)T')"},
    {"gsub, a table", "string", "local s, t = ('a<b>&c'):rep(10), {['<'] = '&lt;'}",
     "string.gsub(s, '[<>&]', t)"},
    {"gsub, a text", "string", "local s = ('key = value; '):rep(10)",
     "string.gsub(s, '(%w+)%s*=%s*(%w+)', '%2=%1')"},
    {"gmatch, words", "string", "local s = ('lorem ipsum '):rep(20)",
     "for w in string.gmatch(s, '%a+') do end"},
    {"rep", "string", "", "string.rep('abc', 100, ',')"},
    {"format", "string", "", "string.format('%s %d %5.2f', 'a', 7, 1.5)"},
    {"lower", "string", "local s = ('Lorem Ipsum '):rep(10)", "string.lower(s)"},
    {"concat, 20 texts", "table", "local t = {} for i = 1, 20 do t[i] = 'text' .. i end",
     "table.concat(t, ',')"},
    {"insert, remove", "table", "local t = {}", "table.insert(t, 1) table.remove(t)"},
    {"unpack, 5", "table", "local t = {1, 2, 3, 4, 5}", "table.unpack(t)"},
    {"sort, 100 numbers", "table",
     "local a, t = {}, {} for i = 1, 100 do a[i] = i * 7919 % 101 end",
     "for i = 1, 100 do t[i] = a[i] end table.sort(t)"},
    {"sort, a function", "table",
     "local a, t = {}, {} for i = 1, 100 do a[i] = i * 7919 % 101 end "
     "local function less(x, y) return x < y end",
     "for i = 1, 100 do t[i] = a[i] end table.sort(t, less)"},
    {"utf8.len", "utf8", "local s = ('h\\u{e9}llo '):rep(10)", "utf8.len(s)"},
};

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Pushes a function that makes the call so many times; its libraries are upvalues. */
static void push_loop(lua_State *L, size_t i, bool counted) {
  lua_pushfstring(L,
                  "local string, table, utf8 = ... %s return function(n) "
                  "for _ = 1, n do %s end end",
                  rows[i].setup, rows[i].call);
  if (luaL_loadstring(L, lua_tostring(L, -1)) != LUA_OK) lua_error(L);
  static const char *const names[] = {"string", "table", "utf8"};
  for (int n = 0; n < 3; n++) {
    lua_newtable(L);
    lua_getglobal(L, names[n]);
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -6);
    }
    lua_pop(L, 1);
    if (counted) lp_counted_replace(L, names[n]);
  }
  lua_call(L, 3, 1);
}

/* The least of some rounds, which take turns. */
static int measure(lua_State *L) {
  enum { CALLS = 20000, ROUNDS = 11 };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    double least[2] = {1e18, 1e18};
    lua_settop(L, 0);
    for (int ours = 0; ours < 2; ours++) {
      push_loop(L, i, ours);
      lua_replace(L, -2); /* the text */
    }
    for (int round = 0; round < 2 * ROUNDS; round++) {
      bool ours = round % 2;
      lua_pushvalue(L, 1 + ours);
      lua_pushinteger(L, CALLS);
      double begun = cpu();
      lua_call(L, 1, 0);
      double took = (cpu() - begun) / CALLS;
      if (took < least[ours]) least[ours] = took;
    }
    printf("%s|%.1f|%.1f\n", rows[i].what, least[1], least[0]);
  }
  return 0;
}

int main(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  luapool *rt;
  options.allowed = LUAPOOL_ALLOW_ALL;
  if (luapool_open(&rt, &options) != LUAPOOL_OK) return 1;
  lua_State *L = rt->state.L;
  lua_pushcfunction(L, measure);
  int rc = lua_pcall(L, 0, 0, 0);
  if (rc != LUA_OK) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  luapool_close(rt);
  return rc != LUA_OK;
}
