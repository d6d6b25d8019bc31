/* Runs a script under budgets: "none", "signal" (they stand on one) or "count" (on Lua's count
 * hook). The script's own arguments follow its path. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/luapool.h"

int main(int argc, char **argv) {
  luapool_options options = LUAPOOL_OPTIONS;
  luapool_value args[8] = {0};
  luapool *rt;
  luapool_task *task;
  if (argc < 3 || argc > 11) return EXIT_FAILURE;
  options.allowed = LUAPOOL_ALLOW_ALL;
  if (strcmp(argv[1], "none") != 0) {
    options.slice_us = 10000;
    options.block_us = 1000000;
    options.task_us = 100000000;
  }
  if (strcmp(argv[1], "signal") == 0) options.signal = SIGVTALRM;
  for (int i = 3; i < argc; i++)
    args[i - 3] = (luapool_value){.type = LUAPOOL_STRING,
                                  .as.string = {.bytes = argv[i], .len = strlen(argv[i])}};
  int rc = luapool_open(&rt, &options);
  if (rc == 0) rc = luapool_load_file(rt, NULL, argv[2], args, argc - 3, &task);
  if (rc == 0) rc = luapool_run(rt, task);
  if (rc < 0) fprintf(stderr, "%s\n", luapool_error(rt));
  luapool_task_release(task);
  luapool_close(rt);
  return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
