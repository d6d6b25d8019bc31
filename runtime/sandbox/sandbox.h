/* sandbox/sandbox.h: environments for scripts that the host does not trust.
 *
 * Each has its own globals and its own cache of `require`, in which public modules of luapool
 * are frozen tables that all environments share. What its scripts find of the standard library
 * either touches nothing outside the environment, or asks first: the bits of the environment,
 * then the host (loop/allow.h). No table that one environment can write is reached by another
 * one, by the free environment or by luapool's own scripts; a test walks over all of them.
 * Layer: sandbox, above loop and beside wire. Owner: loop/environment.h. */
#ifndef LP_SANDBOX_SANDBOX_H
#define LP_SANDBOX_SANDBOX_H

#include <lua.h>

#include "runtime/loop/environment.h"
#include "runtime/loop/task.h"

/* Makes an environment whose scripts may do what `allowed` (LP_ALLOW_*) says, and returns its
 * number, which the caller holds until lp_environment_release. It is collected when no task
 * runs in it and nobody holds it. Raises for want of memory. */
unsigned lp_sandbox_new(lua_State *L, unsigned allowed);

/* From now on scripts of the runtime run in this environment unless another one is given: the
 * free one is left to the host's own C code. Once, before anything is loaded. */
static inline void lp_sandbox_share(lp_state *st, unsigned number) {
  st->environment = st->shared = (uint16_t)number;
}

/* Pops a searcher, a function as in package.searchers. The free environment and all that are
 * made from now on ask it before they look for files. It runs in the environment that requires,
 * and compiles with lp_environment_load. */
void lp_sandbox_add_searcher(lua_State *L);

#endif
