/* loop/guard.h: user code that luapool calls outside of any task, or where no hook could act:
 * metamethods that describe errors, finalizers, <close> handlers of a task that is closed. Such
 * code stands under a short budget of its own, also in a runtime without any limit, and an
 * error of kind `budget` ends it. Layer: loop. */
#ifndef LP_LOOP_GUARD_H
#define LP_LOOP_GUARD_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/loop/tick.h"

typedef struct lp_state lp_state;

/* What lp_guard_end puts back. */
typedef struct lp_guard {
  lp_ticks *outer;
  lua_State *running, *blocked;
  int64_t stuck;
  bool told;
} lp_guard;

/* From now on `co` runs user code, which cannot wait. `by` is the coroutine that the code is
 * called from, and is named when it wants to wait all the same. */
void lp_guard_begin(lp_state *st, lp_guard *g, lua_State *co, lua_State *by);

/* It has come back, also with an error. */
void lp_guard_end(lp_state *st, lp_guard *g, lua_State *co);

/* Calls the function below `nargs` arguments on top of L's stack, all of which are popped, as
 * lua_pcall does, and pushes one result or the error. Returns LUA_OK or another status. The
 * function runs in a coroutine of its own: hooks do not act in the one that collects garbage.
 * Raises for want of memory. */
int lp_guard_call(lua_State *L, int nargs);

/* Pushes the text of a value as tostring does. A __tostring that raises or takes too long gets
 * no further than a text that tells so. */
const char *lp_guard_tostring(lua_State *L, int index);

/* Calls on the main thread of the state, which is not suspended, as lua_pcall does without a
 * message handler. What a host calls there has no budget but block_us. */
int lp_guard_pcall(lp_state *st, int nargs, int nresults);

/* Puts functions in place of setmetatable and debug.setmetatable which see to it that __gc
 * metamethods stand under a budget. */
void lp_guard_open(lua_State *L);

/* Pops a table, or nil, and makes it the metatable of the value at `index`, as those functions
 * do. */
void lp_guard_set_metatable(lua_State *L, int index);

/* When the value at `index` is a finalizer that was put in the place of one of a script, pushes
 * that and returns true; else returns false. */
bool lp_guard_push_finalizer(lua_State *L, int index);

#endif
