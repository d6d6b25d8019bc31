/* A host that wants to drive or to close a runtime which calls it just now, in each way that
 * there is: it is refused, and all goes on.
 *
 * pkg-config: libuv */
#include <lua.h>
#include <luapool.h>
#include <uv.h>

#include "check.h"

static luapool *rt;
static int calls;

static void refuse(const char *where) {
  printf("# in %s\n", where);
  calls++;
  CHECK_INT(LUAPOOL_EINSIDE, luapool_step(rt, 1000));
  CHECK_LIKE("return to it first", luapool_error(rt));
  CHECK_INT(LUAPOOL_EINSIDE, luapool_run(rt, NULL));
  CHECK_INT(LUAPOOL_EINSIDE, luapool_gc(rt, 1000));
  CHECK_INT(LUAPOOL_EINSIDE, luapool_close(rt));
}

static void on_text(void *user, int kind, const char *bytes, size_t len) {
  (void)user, (void)kind, (void)bytes;
  if (len) refuse("text");
}

static int on_load(void *user, const char *module, const char **bytes, size_t *len,
                   const char **chunk) {
  (void)user, (void)module, (void)chunk;
  refuse("load");
  *bytes = "return 7";
  *len = strlen(*bytes);
  return 1;
}

static void on_end(void *user, luapool_task *task) {
  (void)user, (void)task;
  refuse("ended");
}

static int in_c(lua_State *L) {
  (void)L;
  refuse("a C function");
  return 0;
}

static int fail_in_c(lua_State *L) {
  return lua_error(L);
}

static luapool_task *load(const char *source) {
  luapool_task *task;
  CHECK_INT(LUAPOOL_OK,
            luapool_load(rt, NULL, source, strlen(source), "=host", NULL, 0, &task));
  return task;
}

static int reload(const char *source) {
  return luapool_reload(rt, NULL, "module", source, strlen(source), "=module");
}

static luapool_options options = LUAPOOL_OPTIONS;

/* The calls that run scripts and do not drive. */
static void test_calls(void) {
  CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &options));
  CHECK_INT(LUAPOOL_OK, luapool_protect(rt, in_c, NULL));
  CHECK_INT(1, calls);
  CHECK_INT(LUAPOOL_OK, reload("return require 'other'"));
  CHECK_INT(2, calls);
  CHECK_INT(LUAPOOL_OK, reload("print 'hello'"));
  CHECK_INT(3, calls);
  CHECK_INT(LUAPOOL_ERUN, reload("error(setmetatable({}, { __tostring = function() "
                                 "print 'described' return 'odd' end }))"));
  CHECK_TEXT("odd", luapool_error(rt));
  CHECK_INT(4, calls);
  luapool_task *task = load("setmetatable(_G, { __index = print })");
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, task));
  luapool_task_release(task);
  CHECK_INT(LUAPOOL_ERUN, luapool_start(rt, NULL, "on_key", NULL, 0, NULL));
  CHECK_INT(5, calls);
  CHECK_INT(LUAPOOL_ERUN, luapool_protect(rt, fail_in_c, NULL));
  CHECK_INT(LUAPOOL_OK, luapool_step(rt, 1000));
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
}

static void watched(uv_loop_t *loop, const char *source, int cancels) {
  luapool_task *task = load(source);
  CHECK_INT(LUAPOOL_OK, luapool_task_watch(task, on_end, NULL));
  if (cancels) luapool_task_cancel(task);
  uv_run(loop, UV_RUN_DEFAULT);
  luapool_task_release(task);
}

/* The host turns its loop, and so drives the runtime. */
static void test_loop(void) {
  uv_loop_t loop;
  calls = 0;
  CHECK_INT(0, uv_loop_init(&loop));
  CHECK_INT(LUAPOOL_OK, luapool_attach(&rt, NULL, &loop, &options));
  watched(&loop, "return 1", 0);
  CHECK_INT(1, calls);
  watched(&loop, "require('luapool.task').sleep(1000)", 1); /* its loop had ended */
  CHECK_INT(2, calls);
  watched(&loop, "require('luapool.task').sleep(0.01) print 'awake'", 0);
  CHECK_INT(4, calls);
  CHECK_INT(LUAPOOL_OK, luapool_step(rt, 1000));
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK_INT(0, uv_loop_close(&loop));
}

int main(void) {
  options.text = on_text;
  options.load = on_load;
  test_calls();
  test_loop();
  return check_done();
}
