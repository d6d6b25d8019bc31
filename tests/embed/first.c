/* The program of the first chapter of docs/embedding.md, and what such a one relies on: a
 * script is loaded, runs to its end, and has a result, or a message; the next one finds the
 * runtime as good as new. */
#include <luapool.h>

#include "check.h"

static luapool_task *load(luapool *rt, const char *source) {
  luapool_task *task = NULL;
  CHECK_INT(LUAPOOL_OK,
            luapool_load(rt, NULL, source, strlen(source), "=first", NULL, 0, &task));
  return task;
}

static void succeeds(luapool *rt) {
  luapool_task *task = load(rt, "local task = require 'luapool.task' "
                                "local function half(x) task.sleep(0.001) return x / 2 end "
                                "return 7, 'seven', half(7)");
  CHECK_INT(LUAPOOL_MORE, luapool_task_status(task));
  CHECK_INT(LUAPOOL_OK, luapool_run(rt, task));
  luapool_value value;
  CHECK_INT(3, luapool_task_result(task, 0, &value));
  CHECK_INT(LUAPOOL_INTEGER, value.type);
  CHECK_INT(7, value.as.integer);
  luapool_task_result(task, 1, &value);
  CHECK_INT(LUAPOOL_STRING, value.type);
  CHECK_TEXT("seven", value.as.string.bytes);
  luapool_task_result(task, 2, &value);
  CHECK(value.type == LUAPOOL_NUMBER && value.as.number == 3.5);
  luapool_task_release(task);
}

static void fails(luapool *rt) {
  luapool_task *task = load(rt, "local x = nil\nreturn x.field");
  CHECK_INT(LUAPOOL_ERUN, luapool_run(rt, task));
  CHECK_LIKE("first:2: attempt to index a nil value", luapool_error(rt));
  CHECK_LIKE("first:2:", luapool_task_error(task));
  luapool_task_release(task);
  const char *wrong = "return return";
  CHECK_INT(LUAPOOL_ESYNTAX,
            luapool_load(rt, NULL, wrong, strlen(wrong), "=first", NULL, 0, &task));
  CHECK(task == NULL);
  CHECK_LIKE("first:1:", luapool_error(rt));
}

int main(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  luapool *rt;
  if (CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &options))) {
    succeeds(rt);
    fails(rt);
    succeeds(rt);
    CHECK_TEXT("", luapool_error(rt));
    CHECK_INT(LUAPOOL_OK, luapool_close(rt));
  }
  return check_done();
}
