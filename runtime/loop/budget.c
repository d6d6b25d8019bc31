/* loop/budget.c: the limits of CPU and of tasks. The ticks that it counts come from
 * interrupt.c. Layer: loop. */
#include "runtime/loop/budget.h"

#include <lauxlib.h>
#include <stdio.h>

#include "runtime/base/error.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"

static const char KIND[] = "budget";

/* What catches the error of a broken budget may clean up for so long. */
enum { GRACE_US = 50000 };

/* A budget is divided into so many ticks, which are no shorter than SHORTEST, and no longer
 * than those of a guard. */
enum { TICKS = 4, SHORTEST = 1000 };

/* What stands under a guard may use as much as closing may take, this at most, or block_us when
 * that is less. */
enum { GUARD_US = 1000000 };

static int64_t guard_us(const lp_state *st) {
  return st->close_us < GUARD_US ? st->close_us : GUARD_US;
}

static void take_shorter(int64_t *interval, int64_t part) {
  if (part > 0 && (*interval == 0 || part < *interval)) *interval = part;
}

static int64_t part_of(int64_t budget) {
  int64_t part = budget / TICKS;
  return budget > 0 && part < SHORTEST ? SHORTEST : part;
}

int64_t lp_budget_interval(const lp_state *st) {
  int64_t interval = st->limits.slice_us;
  take_shorter(&interval, part_of(st->limits.task_us));
  take_shorter(&interval, part_of(st->limits.block_us));
  if (interval > 0 || st->interrupt.guards) take_shorter(&interval, part_of(guard_us(st)));
  return interval;
}

/* A tick may come a little early. */
bool lp_budget_ends_slice(const lp_state *st) {
  int64_t slice = st->limits.slice_us;
  return slice > 0 && st->interrupt.sliced >= slice - slice / 8;
}

void lp_budget_charge(lp_task *t, int64_t us) {
  us += t->used;
  t->used = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* Microseconds that may be used where nothing can be suspended; INT64_MAX: any. */
static int64_t block_limit(const lp_state *st) {
  int64_t block = st->limits.block_us > 0 ? st->limits.block_us : INT64_MAX;
  return st->interrupt.guards && block > guard_us(st) ? guard_us(st) : block;
}

/* By how many microseconds the current task has exceeded its budget; under a guard that of the
 * guard alone counts. */
static int64_t excess_of_task(const lp_state *st) {
  bool counts = st->current && st->limits.task_us > 0 && !st->interrupt.guards;
  return counts ? st->current->used - st->limits.task_us : -1;
}

static int64_t excess_of_block(const lp_state *st) {
  return st->interrupt.stuck - block_limit(st);
}

/* A runtime that closes has used up its time. */
static bool has_ended(const lp_state *st) {
  return st->interrupt.ending && lp_interrupt_over(st);
}

lp_budget_break lp_budget_check(lp_state *st, bool suspendable) {
  if (!suspendable && has_ended(st)) return LP_BUDGET_BLOCK;
  if (excess_of_task(st) >= 0) return LP_BUDGET_TASK;
  return !suspendable && excess_of_block(st) >= 0 ? LP_BUDGET_BLOCK : LP_BUDGET_KEPT;
}

bool lp_budget_is_half(const lp_state *st) {
  return st->interrupt.stuck > 0 && st->interrupt.stuck >= block_limit(st) / 2;
}

bool lp_budget_is_hopeless(lp_state *st) {
  return has_ended(st) || excess_of_task(st) >= GRACE_US || excess_of_block(st) >= GRACE_US;
}

/* Pushes an error object: which limit broke, how much of it was used, where. */
static void push(lua_State *L, const char *limit, int64_t used, const char *where) {
  char ms[32];
  snprintf(ms, sizeof ms, "%.1f", (double)used / 1000);
  lp_raise_push(L, KIND, "%s is used up after %s ms of CPU%s", limit, ms, where);
  lua_pushstring(L, limit);
  lua_setfield(L, -2, "limit");
}

static void push_of_task(lua_State *L, const lp_task *t) {
  push(L, "task_us", t->used, " without a wait");
}

/* Tells the host that a limit broke. The error object on top has the traceback. */
static void tell(lua_State *L, int code) {
  lp_state *st = lp_state_of(L);
  if (!st->limit || st->interrupt.ending) return;
  lua_pushliteral(L, "traceback");
  lua_rawget(L, -2);
  st->limit(st, code, st->current, lua_tostring(L, -1));
  lua_pop(L, 1);
}

void lp_budget_break_task(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  luaL_checkstack(L, 16, NULL);
  lp_task_object(L, t);
  push_of_task(L, t);
  if (!lp_state_of(L)->interrupt.told) tell(L, LP_EBUDGET);
  lp_task_set_field(L, -2, LP_TASK_REASON);
  lua_pop(L, 1);
  t->broke = true;
}

int lp_budget_raise(lua_State *L, lp_budget_break broke) {
  lp_state *st = lp_state_of(L);
  lp_interrupt *in = &st->interrupt;
  luaL_checkstack(L, 16, NULL);
  if (broke == LP_BUDGET_TASK) {
    push_of_task(L, st->current);
  } else {
    lp_coroutine_push_obstacle(L);
    lua_pushfstring(L, ": %s", lua_tostring(L, -1));
    push(L, "block_us", in->stuck, lua_tostring(L, -1));
  }
  if (!in->told) tell(L, LP_EBUDGET);
  in->told = true;
  return lua_error(L);
}

void lp_budget_check_tasks(lua_State *L) {
  lp_state *st = lp_state_of(L);
  size_t live = st->anchored - (size_t)st->idle_count;
  bool crowded = st->limits.tasks && live >= st->limits.tasks, told = st->crowded;
  st->crowded = crowded;
  if (!crowded) return;
  luaL_checkstack(L, 8, NULL);
  lp_raise_push(L, KIND, "tasks is used up: %d tasks live", (int)live);
  lua_pushliteral(L, "tasks");
  lua_setfield(L, -2, "limit");
  if (!told) tell(L, LP_ETASKS);
  lua_error(L);
}
