/* loop/environment.h: the environments that scripts run in.
 *
 * An environment has globals, a cache of `require`, and bits for what its scripts may do.
 * Number 0 is the free one: the globals of the Lua state, where nothing is refused. sandbox/
 * makes the others. A task runs in one environment, and what it spawns runs in the same. Rights
 * go by the task and not by the function: a function that another environment hands over has
 * the rights of the task that calls it. Layer: loop. Owner: lp_state. */
#ifndef LP_LOOP_ENVIRONMENT_H
#define LP_LOOP_ENVIRONMENT_H

#include <lua.h>
#include <stdint.h>

#include "runtime/loop/state.h"

/* The tables of an environment. */
enum {
  LP_ENVIRONMENT_GLOBALS = 1,
  LP_ENVIRONMENT_PACKAGE,
  LP_ENVIRONMENT_LOADED, /* package.loaded, also when a script has put another table there */
  LP_ENVIRONMENT_REQUIRE /* the function, also when a script has overwritten the global */
};

struct lp_environment {
  /* Registry reference of the list of its tables; LUA_NOREF while its number is free. */
  int tables;
  /* What its scripts may do: LP_ALLOW_*. */
  unsigned allowed;
  /* Who uses it: its tasks that live, and everybody who has called lp_environment_hold. */
  uint32_t users;
};

/* Stack: the globals, package, package.loaded, require; pops them. Makes an environment of
 * them, which the caller holds, and returns its number. Raises for want of memory. */
unsigned lp_environment_add(lua_State *L, unsigned allowed);

/* It is not collected until as many calls of lp_environment_release have come. Nothing happens
 * for number 0. Neither ever raises. */
void lp_environment_hold(lp_state *st, unsigned number);
void lp_environment_release(lp_state *st, unsigned number);

/* Pushes one of its tables: LP_ENVIRONMENT_... */
void lp_environment_push(lua_State *L, unsigned number, int table);

/* Compiles a text for the environment: pushes the function, or an error as lua_load does.
 * Returns LUA_OK or that code. Bytecode is refused. */
int lp_environment_load(lua_State *L, unsigned number, const char *bytes, size_t len,
                        const char *chunk);

/* What its scripts may do; all bits for number 0. */
unsigned lp_environment_allowed(const lp_state *st, unsigned number);

/* The number of the environment in which scripts run just now: that of the current task, and
 * outside any task the one that `luapool_load` and its like use when no other is given. */
static inline unsigned lp_environment_current(lua_State *L) {
  return lp_state_of(L)->environment;
}

/* Scripts are called in this environment, outside any task of it, until lp_environment_enter is
 * called with the number that this call returns. */
static inline unsigned lp_environment_enter(lp_state *st, unsigned number) {
  unsigned outer = st->environment;
  st->environment = (uint16_t)number;
  return outer;
}

/* Gives a task that has not started to another environment. */
void lp_environment_move(lp_task *t, unsigned number);

/* Frees the list, when the runtime closes. */
void lp_environment_close(lp_state *st);

#endif
