/* Environments as a host uses them: globals and modules of their own, rights, modules that the
 * host gives, reload in one of them, and what becomes of one that is released. */
#include <luapool.h>

#include "check.h"

/* What the host was asked last. */
typedef struct asked {
  unsigned what;
  char subject[200];
  int count;
} asked;

static int allow(void *user, unsigned what, const char *subject) {
  asked *a = user;
  a->what = what;
  a->count++;
  snprintf(a->subject, sizeof a->subject, "%s", subject);
  return strncmp(subject, "/etc/", 5) != 0;
}

/* Modules in a packed file, so to speak. */
static int give(void *user, const char *module, const char **bytes, size_t *len,
                const char **chunk) {
  static const char pack[] = "count = (count or 0) + 1\nreturn { name = ..., count = count }";
  (void)user;
  if (strcmp(module, "broken") == 0) {
    *bytes = "return {", *len = 8, *chunk = "@pack/broken.lua";
    return 1;
  }
  if (strncmp(module, "pack.", 5) != 0) return 0;
  *bytes = pack;
  *len = sizeof pack - 1;
  *chunk = "@pack/it.lua";
  return 1;
}

/* Runs a text in an environment. Returns the code; the first result goes to *value, the text of
 * an error to `error`. */
static char error[500];

static int run(luapool *rt, luapool_env *env, const char *source, int64_t *value) {
  luapool_task *task;
  luapool_value v = {0};
  int rc = luapool_load(rt, env, source, strlen(source), "=host", NULL, 0, &task);
  if (rc == LUAPOOL_OK) rc = luapool_run(rt, task);
  if (rc == LUAPOOL_OK) luapool_task_result(task, 0, &v);
  snprintf(error, sizeof error, "%s", luapool_error(rt));
  luapool_task_release(task);
  if (value) *value = v.type == LUAPOOL_INTEGER ? v.as.integer : -1;
  return rc;
}

static int64_t value_of(luapool *rt, luapool_env *env, const char *source) {
  int64_t value;
  if (!CHECK_INT(LUAPOOL_OK, run(rt, env, source, &value))) printf("# %s\n", error);
  return value;
}

static void have_globals_of_their_own(luapool *rt, luapool_env *a, luapool_env *b) {
  CHECK_INT(1, value_of(rt, a, "x = 1 return pcall(rawset, _G, 'y', 1) and x"));
  CHECK_INT(0, value_of(rt, b, "return x == nil and y == nil and 0 or 1"));
  CHECK_INT(0, value_of(rt, NULL, "return x == nil and y == nil and 0 or 1"));
  luapool_task *task;
  CHECK_INT(LUAPOOL_OK,
            luapool_load(rt, a, "function f() return x + 1 end", 29, "=f", NULL, 0, NULL));
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, NULL));
  CHECK_INT(LUAPOOL_ERUN, luapool_start(rt, b, "f", NULL, 0, &task));
  CHECK_LIKE("there is no function 'f'", luapool_error(rt));
  luapool_value v;
  CHECK_INT(LUAPOOL_OK, luapool_start(rt, a, "f", NULL, 0, &task));
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, task));
  luapool_task_result(task, 0, &v);
  CHECK_INT(2, v.as.integer);
  luapool_task_release(task);
}

static void have_rights(luapool *rt, luapool_env *a, luapool_env *b, asked *seen) {
  CHECK_INT(LUAPOOL_EDENIED,
            run(rt, a, "return require('luapool.fs').read('/proc/self/stat')", NULL));
  CHECK_LIKE("/proc/self/stat", error);
  CHECK_INT(0, seen->count); /* the bits have refused before */
  CHECK_INT(1,
            value_of(rt, b, "return #require('luapool.fs').read('/proc/self/stat') > 0 and 1"));
  CHECK(seen->count > 0);
  CHECK_INT(LUAPOOL_ALLOW_READ, seen->what);
  CHECK_INT(LUAPOOL_EDENIED, run(rt, b, "require('luapool.fs').read('/etc/passwd')", NULL));
  CHECK_TEXT("/etc/passwd", seen->subject);
  CHECK_INT(LUAPOOL_ERUN, run(rt, a, "debug.sethook()", NULL));
  CHECK_INT(LUAPOOL_ERUN,
            run(rt, a,
                "error(setmetatable({}, {__tostring = function() return 'it could read: ' .. "
                "tostring(pcall(io.open, '/proc/self/stat')) end}))",
                NULL));
  CHECK_LIKE("it could read: false", error); /* also where no task runs */
}

static void get_modules_of_the_host(luapool *rt, luapool_env *a, luapool_env *b) {
  CHECK_INT(1, value_of(rt, a, "return require('pack.one').count"));
  CHECK_INT(1, value_of(rt, a, "return require('pack.one').count")); /* it is kept */
  CHECK_INT(2, value_of(rt, a, "return require('pack.two').count"));
  CHECK_INT(1, value_of(rt, b, "return require('pack.one').count"));
  CHECK_INT(8, value_of(rt, b, "return #require('pack.one').name"));
  CHECK_INT(LUAPOOL_ERUN, run(rt, a, "require 'broken'", NULL));
  CHECK_LIKE("pack/broken.lua:1:", error);
  CHECK_INT(LUAPOOL_ERUN, run(rt, a, "require 'nowhere'", NULL));
  CHECK_LIKE("the host has no module 'nowhere'", error);
}

static void reload_alone(luapool *rt, luapool_env *a, luapool_env *b) {
  const char *text = "return { count = 10, __reload = function(old) was = old.count end }";
  CHECK_INT(LUAPOOL_OK, luapool_reload(rt, a, "pack.one", text, strlen(text), NULL));
  CHECK_INT(11, value_of(rt, a, "return require('pack.one').count + was"));
  CHECK_INT(1, value_of(rt, b, "return require('pack.one').count"));
}

static void live_while_they_are_used(luapool *rt) {
  luapool_env *env = luapool_env_new(rt, 0);
  const char *source = "local task = require 'luapool.task' y = 5 task.sleep(0.01) return y";
  luapool_task *task;
  luapool_value v;
  CHECK_INT(LUAPOOL_OK, luapool_load(rt, env, source, strlen(source), "=y", NULL, 0, &task));
  luapool_env_release(env);
  for (int i = 0; i < 100; i++) luapool_env_release(luapool_env_new(rt, LUAPOOL_ALLOW_NET));
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, task));
  luapool_task_result(task, 0, &v);
  CHECK_INT(5, v.as.integer);
  luapool_task_release(task);
}

int main(void) {
  asked seen = {0};
  luapool_options options = LUAPOOL_OPTIONS;
  options.user = &seen;
  options.allow = allow;
  options.load = give;
  luapool *rt, *other;
  if (!CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &options))) return check_done();
  luapool_env *a = luapool_env_new(rt, 0), *b = luapool_env_new(rt, LUAPOOL_ALLOW_READ);
  if (CHECK(a && b)) {
    have_globals_of_their_own(rt, a, b);
    have_rights(rt, a, b, &seen);
    get_modules_of_the_host(rt, a, b);
    reload_alone(rt, a, b);
    live_while_they_are_used(rt);
    CHECK_INT(LUAPOOL_OK, luapool_open(&other, NULL));
    CHECK_INT(LUAPOOL_EARGUMENT, run(other, a, "return 1", NULL));
    luapool_close(other);
  }
  luapool_env_release(b);
  luapool_close(rt);
  luapool_env_release(a); /* after its runtime */
  luapool_env_release(NULL);
  return check_done();
}
