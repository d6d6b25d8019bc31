/* tests/support/guest.h: scripts from their opened to their closed runtime. Include after
 * cmocka.h.
 */
#ifndef TESTS_SUPPORT_GUEST_H
#define TESTS_SUPPORT_GUEST_H

#include <string.h>

#include "runtime/luapool.h"

/* Runs a text to its end in a runtime. Returns the code. */
static inline int guest_run_in(luapool *rt, const char *code) {
  luapool_task *task;
  int rc = luapool_load(rt, NULL, code, strlen(code), "=host", NULL, 0, &task);
  if (rc == LUAPOOL_OK) rc = luapool_run(rt, task);
  luapool_task_release(task);
  return rc;
}

/* Opens a runtime, runs a text, closes it. Writes what went wrong into `why`, which becomes ""
 * when nothing did. Calls nothing of cmocka, so any thread may use it. */
static inline void guest_run(const luapool_options *options, const char *code, char why[500]) {
  luapool *rt;
  int rc = luapool_open(&rt, options);
  snprintf(why, 500, rc ? "open: %d" : "", rc);
  if (rc) return;
  rc = guest_run_in(rt, code);
  if (rc) snprintf(why, 500, "%d: %s", rc, luapool_error(rt));
  rc = luapool_close(rt);
  if (rc && !*why) snprintf(why, 500, "close: %d", rc);
}

/* The same, which must go well. */
static inline void guest_expect(luapool_options *options, const char *code) {
  char why[500];
  options->allowed = LUAPOOL_ALLOW_ALL;
  guest_run(options, code, why);
  assert_string_equal(why, "");
}

#endif
