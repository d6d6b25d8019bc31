/* loop/limits.h: what the scripts of a runtime may use. The owner of the state sets the limits
 * before tasks run; 0 is no limit. Layer: loop. Owner: lp_state. */
#ifndef LP_LOOP_LIMITS_H
#define LP_LOOP_LIMITS_H

#include <stddef.h>
#include <stdint.h>

typedef struct lp_limits {
  /* Bytes of memory: of Lua, and what libraries hold for scripts. */
  size_t memory;
  /* How many tasks may live at once, promises included. Spawning one more raises kind `budget`.
   */
  size_t tasks;
  /* Microseconds of CPU that a task may use between two waits. Then it is closed, uncatchably,
   * with an error of kind `budget`. */
  int64_t task_us;
  /* Microseconds of CPU that a task may use inside one call that cannot be suspended, as a
   * comparator of table.sort. Then an error of kind `budget` is raised there. */
  int64_t block_us;
  /* Microseconds of CPU after which others run; 0: a task runs until it waits. */
  int64_t slice_us;
  /* Bytes of the C stack that scripts may use; 0: what the thread has left. */
  size_t stack;
} lp_limits;

#endif
