/* api/ref.h: references of the host's to tasks.
 *
 * A reference is counted by what other threads may do with it: it is released, and its task is
 * cancelled, by a mail to the thread that holds the runtime. It outlives the task, whose
 * results it keeps, and the runtime. Layer: api. Owner: the host. */
#ifndef LP_API_REF_H
#define LP_API_REF_H

#include <lua.h>

#include "runtime/api/api.h"

/* Makes a reference without a task, or returns NULL. */
luapool_task *lp_ref_new(luapool *rt);

/* Makes a task of the function and its n arguments on top of L's stack, which are popped. The
 * reference follows it; NULL: nobody does. May raise: then the reference is without a task. */
void lp_ref_spawn(lua_State *L, luapool_task *ref, int n);

/* The reference follows a task that lp_task_spawn has just made. */
void lp_ref_follow(luapool_task *ref, lp_task *t);

/* Frees a reference that has no task. NULL is fine. */
void lp_ref_free(luapool_task *ref);

/* True until the task has ended. */
bool lp_ref_is_alive(const luapool_task *ref);

/* The runtime that its task belongs to; NULL once that is closed. */
luapool *lp_ref_runtime(const luapool_task *ref);

/* The runtime closes: no reference of the host's has a task or results any more. */
void lp_ref_detach_all(luapool *rt);

/* The host's reference to a task of the runtime, or NULL. */
luapool_task *lp_ref_of(lp_task *t);

#endif
