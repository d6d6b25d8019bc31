/* A host that has a Lua state of its own, and lends it to luapool: its globals and libraries
 * stay as they are, also those that it does not have, and the state outlives the runtime. */
#include <lauxlib.h>
#include <lua.h>
#include <luapool.h>
#include <lualib.h>

#include "check.h"

/* All names in the globals and one level below, with the addresses of what they stand for. */
static const char NOTE[] =
    "local list = {} "
    "local function note(name, t) "
    "  for k, v in next, t do list[#list + 1] = name .. tostring(k) .. '=' .. tostring(v) end "
    "end "
    "note('', _G) "
    "for _, name in next, { 'coroutine', 'debug', 'io', 'os', 'string', 'table', 'package' } "
    "do "
    "  local t = rawget(_G, name) "
    "  if t then note(name .. '.', t) end "
    "end "
    "if package then for name in next, package.loaded do "
    "  if not name:find '^luapool' then list[#list + 1] = 'loaded ' .. name end "
    "end end "
    "table.sort(list) "
    "return table.concat(list, '\\n')";

static const char *note(lua_State *L) {
  lua_settop(L, 0);
  if (luaL_dostring(L, NOTE) != LUA_OK) printf("# %s\n", lua_tostring(L, -1));
  return lua_tostring(L, -1);
}

static void run(luapool *rt, const char *source, const char *want) {
  luapool_task *task;
  luapool_value value = {0};
  CHECK_INT(LUAPOOL_OK, luapool_load(rt, NULL, source, strlen(source), "=own", NULL, 0, &task));
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, task));
  CHECK_TEXT("", luapool_error(rt));
  CHECK_INT(1, luapool_task_result(task, 0, &value));
  CHECK_TEXT(want, value.as.string.bytes);
  luapool_task_release(task);
}

static void attach(lua_State *L) {
  static char before[20000];
  snprintf(before, sizeof before, "%s", note(L));
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  luapool *rt, *second;
  if (!CHECK_INT(LUAPOOL_OK, luapool_attach(&rt, L, NULL, &options))) {
    printf("# %s\n", luapool_error(NULL));
    return;
  }
  CHECK_TEXT(before, note(L));
  CHECK(luapool_attach(&second, L, NULL, &options) < 0);
  CHECK(second == NULL);
  run(rt, "seen = (seen or 0) + 1 return 'run ' .. seen", "run 1");
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  CHECK_INT(LUA_OK, luaL_dostring(L, "local n = seen seen = nil return n"));
  CHECK_INT(1, lua_tointeger(L, -1));
  CHECK_TEXT(before, note(L));
}

static lua_State *open_all(void) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  return L;
}

/* A host that trusts its scripts with little. */
static lua_State *open_some(void) {
  lua_State *L = luaL_newstate();
  luaL_requiref(L, LUA_GNAME, luaopen_base, 1);
  luaL_requiref(L, LUA_STRLIBNAME, luaopen_string, 1);
  luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 1);
  return L;
}

static void has_all(void) {
  lua_State *L = open_all();
  attach(L);
  luapool *rt;
  CHECK_INT(LUAPOOL_OK, luapool_attach(&rt, L, NULL, NULL));
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  lua_close(L);
}

static void has_some(void) {
  lua_State *L = open_some();
  attach(L);
  lua_close(L);
}

/* Scripts in a sandbox change nothing of the state, and strings have their methods again. */
static void has_a_sandbox(void) {
  lua_State *L = open_all();
  luapool *rt;
  luapool_options options = LUAPOOL_OPTIONS;
  CHECK_INT(LUA_OK, luaL_dostring(L, "function string.twice(s) return s .. s end"));
  CHECK_INT(LUAPOOL_OK, luapool_attach(&rt, L, NULL, &options));
  run(rt, "seen = tostring(('a').twice) return seen .. ('a'):upper()", "nilA");
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  CHECK_INT(LUA_OK, luaL_dostring(L, "assert(seen == nil and ('a'):twice() == 'aa' and "
                                     "getmetatable('').__index == string)"));
  lua_close(L);
}

/* The state goes on without the runtime, and with what its scripts have kept. */
static void outlives(void) {
  lua_State *L = open_all();
  luapool *rt;
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  CHECK_INT(LUAPOOL_OK, luapool_attach(&rt, L, NULL, &options));
  run(rt,
      "local task = require 'luapool.task' "
      "local queue = require('luapool.sync').queue() "
      "sleep = task.sleep "
      "kept = { require('luapool.http').client(), queue, "
      "task.spawn(function() queue:get() end), task.spawn(function() error 'nobody' end), "
      "require('luapool.html').parse('<p>x'), require('luapool.pool').new { processes = 1 }, "
      "require('luapool.digest').new and require('luapool.digest').new 'md5' } "
      "task.sleep(0.001) "
      "return 'kept'",
      "kept");
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  CHECK_INT(LUA_OK, luaL_dostring(L, "return select(2, pcall(require, 'luapool.task'))"));
  CHECK_LIKE("module 'luapool.task' not found", lua_tostring(L, -1));
  CHECK_INT(LUA_OK, luaL_dostring(L, "return select(2, pcall(sleep, 1))"));
  CHECK_LIKE("the runtime of this Lua state was closed", lua_tostring(L, -1));
  CHECK_INT(LUA_OK,
            luaL_dostring(L, "return select(2, pcall(function() kept[1]:get('x') end))"));
  CHECK_LIKE("got closed object", lua_tostring(L, -1));
  CHECK_INT(LUA_OK,
            luaL_dostring(
                L, "local co = coroutine.wrap(function() coroutine.yield(1) end) return co()"));
  CHECK_INT(1, lua_tointeger(L, -1));
  lua_close(L);
}

int main(void) {
  has_all();
  has_some();
  has_a_sandbox();
  outlives();
  return check_done();
}
