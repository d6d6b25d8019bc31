/* loop/step.h: a host lets a runtime go on for some time, and is told when it is needed again.
 *
 * A step has an end that no script moves: the garbage collector has its share first, then come
 * timers, IO and tasks, by turns, until all wait or the time is over. Layer: loop. */
#ifndef LP_LOOP_STEP_H
#define LP_LOOP_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/loop/state.h"

/* From lp_step: tasks are left that could run now. From lp_collect_for: the cycle goes on. */
enum { LP_MORE = 1 };

/* Goes on for at most so many microseconds, and what one piece of work takes beyond that.
 * Returns LP_MORE, 0 when all tasks wait, or LP_EINSIDE when this runtime has called the
 * caller.
 */
int lp_step(lp_state *st, int64_t budget_us);

/* The descriptor that is readable when a step has IO to do. */
int lp_step_fd(const lp_state *st);

/* Microseconds until a step has something to do if the descriptor does not become readable
 * before: 0 now, -1 never. */
int64_t lp_step_timeout_us(lp_state *st);

/* A step, or a turn of the loop, that goes on now ends soon, else the next one does. From any
 * thread and from signal handlers, while the runtime is open. */
void lp_step_interrupt(lp_state *st);

/* True once after lp_step_interrupt. */
bool lp_step_interrupted(lp_state *st);

#endif
