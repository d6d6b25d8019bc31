/* A sandboxed host's scripts use a pool: its workers are as sandboxed as they are. */
#include <luapool.h>

#include "check.h"

/* Runs a script. Returns its code; the text is that of its first result or of its error. */
static int run(luapool *rt, const char *source, char *text, size_t size) {
  luapool_task *task;
  luapool_value value = {0};
  int code = luapool_load(rt, NULL, source, strlen(source), "=script", NULL, 0, &task);
  if (code == LUAPOOL_OK) code = luapool_run(rt, task);
  snprintf(text, size, "%s", luapool_error(rt));
  if (code == LUAPOOL_OK && luapool_task_result(task, 0, &value) > 0)
    snprintf(text, size, "%s", value.type == LUAPOOL_STRING ? value.as.string.bytes : "");
  luapool_task_release(task);
  return code;
}

#define POOL                                                                                   \
  "local pool = require 'luapool.pool' "                                                       \
  "local p <close> = pool.new { processes = 1, init = function() x = 'of init' end } "

static void check_value(luapool *rt, const char *want, const char *source) {
  char text[4096];
  CHECK_INT(LUAPOOL_OK, run(rt, source, text, sizeof text));
  CHECK_TEXT(want, text);
}

static void check_error(luapool *rt, const char *want, const char *source) {
  char text[4096];
  CHECK(run(rt, source, text, sizeof text) < 0);
  CHECK_LIKE(want, text);
}

/* Functions find the globals of the worker's environment, and its modules. */
static void functions_find_what_is_there(luapool *rt) {
  check_value(rt, "of init", POOL "return p:apply(function() return x end)");
  check_value(rt, "of init", POOL "return p:apply(function() return load 'return x' () end)");
  check_value(rt, "true",
              "local task = require 'luapool.task' " POOL
              "return tostring(p:apply(function() return task == require 'luapool.task' and "
              "_G.string == string and debug.getinfo == nil end))");
  check_value(rt, "A1",
              "local up, max = string.upper, math.max " POOL
              "return p:apply(function(s) return up(s) .. max(1, 0) end, 'a')");
  check_value(rt, "2 4 6 ",
              POOL
              "local text = '' for _, n in p:map(function(i) return 2 * i end, {1, 2, 3}) do "
              "text = text .. n .. ' ' end return text");

  check_value(rt, "YQ==",
              "local base64 = require('luapool.digest').base64 " POOL
              "return p:apply(function() return base64.encode 'a' end)");
  check_value(rt, "true",
              "local out = io.stderr " POOL
              "return tostring(p:apply(function() return out == io.stderr end))");
}

/* A name that a script makes up is no key to what is behind it. */
static void names_are_no_keys(luapool *rt) {
  check_value(rt, "nil",
              "local own = {} package.loaded['luapool.core'] = own " POOL
              "return tostring(p:apply(function() return own.pid end))");
  check_error(rt, "cannot send",
              "package.loaded['luapool.core'] = { pid = coroutine.wrap(print) } "
              "local pid = package.loaded['luapool.core'].pid " POOL
              "p:apply(function() return pid() end)");
}

/* The number of an object is no key to those of others. */
static void numbers_are_no_keys(luapool *rt) {
  static const char secret[] =
      "queue = require('luapool.sync').queue() queue:put 'secret' " POOL
      "p:apply(function(q) return q:try_put(2) end, queue)";
  luapool_env *env = luapool_env_new(rt, LUAPOOL_ALLOW_POOLS);
  luapool_load(rt, env, secret, sizeof secret - 1, "=other", NULL, 0, NULL);
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, NULL));
  check_value(rt, "nothing",
              "local q = require('luapool.sync').queue() q:put 'own' " POOL
              "return tostring(p:apply(function() local last = q.number for n = 1, last - 1 do "
              "q.number = n local ok, got = pcall(q.try_get, q) if ok then return got end "
              "end return 'nothing' end))");
  luapool_env_release(env);
}

/* They may do there what they may do here. */
static void rights_are_the_same(luapool *rt) {
  check_error(rt, "lacks 'read'", POOL "p:apply(function() io.open '/etc/passwd' end)");
  check_error(rt, "lacks 'exec'", POOL "p:apply(function() os.execute 'true' end)");
  check_error(rt, "read-only", POOL "p:apply(function() string.format = print end)");
  check_error(rt, "is internal", POOL "p:apply(function() require 'luapool.core' end)");
  check_error(rt, "no finalizer",
              POOL "p:apply(function() setmetatable({}, {__gc = print}) end)");
  check_error(rt, "finalizer",
              POOL "local meta = {} local t = setmetatable({}, meta) meta.__gc = print "
                   "p:apply(function(v) return 1 end, t)");
}

/* Nothing that runs comes back. */
static void nothing_that_runs_comes_back(luapool *rt) {
  check_error(rt, "functions are not accepted",
              POOL "p:apply(function() return function() end end)");
  check_error(rt, "not accepted", POOL "p:apply(function() return print end)");
  check_error(rt, "not accepted",
              "local q = require('luapool.sync').queue() " POOL
              "p:apply(function() q:put(function() end) end)");
  check_value(rt, "7", POOL "return tostring(p:apply(function() return {n = 7} end).n)");
  check_value(rt, "of a queue",
              "local q = require('luapool.sync').queue() " POOL
              "p:apply(function() q:put 'of a queue' end) return q:get()");
}

int main(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_POOLS;
  luapool *rt;
  if (!CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &options))) return check_done();
  functions_find_what_is_there(rt);
  names_are_no_keys(rt);
  numbers_are_no_keys(rt);
  rights_are_the_same(rt);
  nothing_that_runs_comes_back(rt);
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  return check_done();
}
