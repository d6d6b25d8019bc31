/* loop/budget.h: how much CPU a task may use, and what is said when it has used more.
 *
 * A task that has used up task_us is closed. Where it cannot be suspended an error of kind
 * `budget` is raised instead, at each tick. Layer: loop. */
#ifndef LP_LOOP_BUDGET_H
#define LP_LOOP_BUDGET_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lp_state lp_state;
typedef struct lp_task lp_task;

/* Which budget broke: none, task_us, block_us or that of a guard. */
typedef enum { LP_BUDGET_KEPT, LP_BUDGET_TASK, LP_BUDGET_BLOCK } lp_budget_break;

/* Microseconds of CPU between two ticks: a slice, or less so that a budget breaks in time; 0:
 * none. */
int64_t lp_budget_interval(const lp_state *st);

/* True when the running task has used up its slice. */
bool lp_budget_ends_slice(const lp_state *st);

/* A task has used so many microseconds more since its last wait. */
void lp_budget_charge(lp_task *t, int64_t us);

/* What the current task has used up. */
lp_budget_break lp_budget_check(lp_state *st, bool suspendable);

/* True when the budget of what cannot be suspended may break soon. */
bool lp_budget_is_half(const lp_state *st);

/* True when a task that cannot be suspended goes on all the same: it catches its errors. */
bool lp_budget_is_hopeless(lp_state *st);

/* Raises the error in the current task, which cannot be suspended, and tells the host of it
 * when it is the first. Never returns. */
int lp_budget_raise(lua_State *L, lp_budget_break broke);

/* The current task, which is about to be suspended, is closed then: it has used up task_us. Its
 * error, with the traceback, becomes LP_TASK_REASON, and the host is told. */
void lp_budget_break_task(lua_State *L);

/* Raises when no further task may be made. */
void lp_budget_check_tasks(lua_State *L);

#endif
