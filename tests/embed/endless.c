/* Scripts that never end, in calls of the host that do not drive: block_us ends them, with a
 * signal and without one, and the runtime goes on. */
#include <luapool.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"

static int breaks;

static void on_limit(void *user, int code, luapool_task *task, const char *traceback) {
  (void)user, (void)task, (void)traceback;
  breaks += code == LUAPOOL_ETIME;
}

static int reload(luapool *rt, luapool_env *env, const char *source) {
  return luapool_reload(rt, env, "module", source, strlen(source), "=module");
}

static void test_reload(luapool *rt, luapool_env *env) {
  static const char *const sources[] = {
      "while true do end",
      "return { __reload = function() while true do end end }",
      "while true do pcall(function() while true do end end) end",
      "return setmetatable({}, { __index = function() while true do end end })",
      "coroutine.wrap(function() while true do end end)()",
  };
  breaks = 0;
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    CHECK_INT(LUAPOOL_ETIME, reload(rt, env, sources[i]));
    CHECK_LIKE("block_us is used up", luapool_error(rt));
    CHECK_INT(i + 1, breaks);
  }
  CHECK_INT(LUAPOOL_ESYNTAX, reload(rt, env, "return return"));
  CHECK_INT(LUAPOOL_EMEMORY, reload(rt, env, "return ('x'):rep(1e9)"));
  CHECK_INT(LUAPOOL_ERUN, reload(rt, env, "require('luapool.task').sleep(1)"));
  CHECK_LIKE("cannot wait here", luapool_error(rt));
  CHECK_INT(LUAPOOL_OK, reload(rt, env, "return { answer = function() return 42 end }"));
}

static int run(luapool *rt, luapool_task *task) {
  luapool_value value = {0};
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, task));
  luapool_task_result(task, 0, &value);
  luapool_task_release(task);
  return (int)value.as.integer;
}

static void test_start(luapool *rt, luapool_env *env) {
  static const char source[] = "setmetatable(_G, { __index = function(_, name) "
                               "  while name == 'on_key' do end return function() return 7 end "
                               "end }) return 1";
  luapool_task *task;
  CHECK_INT(LUAPOOL_OK, luapool_start(rt, env, "module.answer", NULL, 0, &task));
  CHECK_INT(42, run(rt, task));
  CHECK_INT(LUAPOOL_OK, luapool_load(rt, env, source, strlen(source), "=keys", NULL, 0, &task));
  CHECK_INT(1, run(rt, task));
  CHECK_INT(LUAPOOL_ETIME, luapool_start(rt, env, "on_key", NULL, 0, &task));
  CHECK_LIKE("block_us is used up", luapool_error(rt));
  CHECK(task == NULL);
  CHECK_INT(LUAPOOL_OK, luapool_start(rt, env, "on_mouse", NULL, 0, &task));
  CHECK_INT(7, run(rt, task));
}

static void test(int signal) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.limit = on_limit;
  options.signal = signal;
  options.block_us = 200000; /* a module is loaded within that under valgrind, too */
  options.memory = 16 << 20;
  luapool *rt;
  if (!CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &options))) return;
  luapool_env *env = luapool_env_new(rt, 0);
  CHECK(env != NULL);
  test_reload(rt, env);
  test_start(rt, env);
  luapool_env_release(env);
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
}

int main(void) {
  alarm(120);               /* nothing else would end one that is not ended */
#ifndef __SANITIZE_THREAD__ /* it keeps signals back until a function of libc is called */
  test(SIGVTALRM);
#endif
  test(0);
  return check_done();
}
