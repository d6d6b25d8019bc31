/* A host that lets its scripts do everything, and still has its signals for itself: they get
 * none, and what the host does with them stays. */
#include <luapool.h>
#include <signal.h>

#include "check.h"

static volatile sig_atomic_t caught;

static void on_signal(int signum) {
  caught = signum;
}

static void check_denied(luapool *rt, const char *call) {
  char source[200];
  snprintf(source, sizeof source,
           "local ok, e = pcall(require('luapool.signal').%s) return e.kind .. e.message",
           call);
  luapool_task *task;
  luapool_load(rt, NULL, source, strlen(source), "=signals", NULL, 0, &task);
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, task));
  luapool_value value = {0};
  CHECK_INT(1, luapool_task_result(task, 0, &value));
  CHECK_LIKE("signals belong to the program that has luapool inside", value.as.string.bytes);
  CHECK(strncmp(value.as.string.bytes, "denied", 6) == 0);
  luapool_task_release(task);
}

int main(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  luapool *rt;
  signal(SIGTERM, on_signal);
  if (!CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &options))) return check_done();
  check_denied(rt, "on, 'TERM', print");
  check_denied(rt, "wait, 'TERM', 0");
  raise(SIGTERM);
  CHECK_INT(SIGTERM, caught);
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  return check_done();
}
