/* loop/ceiling.h: what happens when the memory of a runtime comes to its limit.
 *
 * Lua itself would collect all garbage within each allocation that is refused, which takes
 * seconds when many tasks go on allocating. So the heap tells when its reserve is begun: the
 * task that runs is suspended, all garbage is collected once, in steps within their time, and
 * when that does not help the task is closed with an error of kind `memory`. Layer: loop.
 * Owner: lp_state. */
#ifndef LP_LOOP_CEILING_H
#define LP_LOOP_CEILING_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lp_state lp_state;
typedef struct lp_task lp_task;

typedef struct lp_ceiling {
  /* The reserve was begun, and nothing has been done about it. */
  bool reached;
  /* Steps collect all garbage, and run no task before that is done. */
  bool collecting;
  /* The task that was suspended for it, by its address and number; it may have ended. */
  const lp_task *task;
  uint64_t number;
} lp_ceiling;

/* Once, when a state is opened. */
void lp_ceiling_open(lp_state *st);

/* The current task is suspended because the reserve was begun. */
void lp_ceiling_suspends(lp_state *st);

/* Between two tasks, when the reserve was begun. */
void lp_ceiling_relieve(lp_state *st);

/* Steps have collected all garbage. */
void lp_ceiling_collected(lp_state *st);

#endif
