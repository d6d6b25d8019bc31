/* A host that says nothing about programs: pools start the luapool that is installed beside the
 * library. */
#include <luapool.h>

#include "check.h"

int main(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  luapool *rt;
  if (!CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &options))) return check_done();
  const char *source = "local pool = require 'luapool.pool' "
                       "local p <close> = pool.new { processes = 2 } "
                       "local sum = 0 "
                       "for _, square in p:map(function(x) return x * x end, { 1, 2, 3 }) do "
                       "  sum = sum + square "
                       "end "
                       "return sum";
  luapool_task *task;
  luapool_load(rt, NULL, source, strlen(source), "=pools", NULL, 0, &task);
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, task));
  CHECK_TEXT("", luapool_error(rt));
  luapool_value value = {0};
  CHECK_INT(1, luapool_task_result(task, 0, &value));
  CHECK_INT(14, value.as.integer);
  luapool_task_release(task);
  CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  return check_done();
}
