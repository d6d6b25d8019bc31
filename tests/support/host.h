/* tests/support/host.h: a host with C functions of its own, for tests of luapool.h. Include
 * after cmocka.h. */
#ifndef TESTS_SUPPORT_HOST_H
#define TESTS_SUPPORT_HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "runtime/luapool.h"

/* Opens a runtime whose scripts may do everything, with the module `host`. */
static inline luapool *host_open(lua_CFunction module) {
  luapool_options options = LUAPOOL_OPTIONS;
  luapool *rt;
  options.allowed = LUAPOOL_ALLOW_ALL;
  assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
  assert_int_equal(luapool_module(rt, "host", module), LUAPOOL_OK);
  return rt;
}

/* Makes a task of a script, which finds the modules `task` and `host` in its locals. */
static inline luapool_task *host_load(luapool *rt, const char *script) {
  luapool_task *task;
  char text[4096];
  int len = snprintf(text, sizeof text,
                     "local task, host = require 'luapool.task', require 'host'\n"
                     "local function kind(ok, err) return not ok and err.kind or nil end\n%s",
                     script);
  assert_in_range(len, 1, sizeof text - 1);
  int rc = luapool_load(rt, NULL, text, (size_t)len, "=script", NULL, 0, &task);
  if (rc < 0) fail_msg("%s", luapool_error(rt));
  return task;
}

/* Runs a script that checks by itself with assert. */
static inline void host_run(luapool *rt, const char *script) {
  luapool_task *task = host_load(rt, script);
  luapool_run(rt, task);
  if (luapool_task_status(task) != LUAPOOL_OK) fail_msg("%s", luapool_task_error(task));
  luapool_task_release(task);
}

#endif
