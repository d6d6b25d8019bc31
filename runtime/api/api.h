/* api/api.h: what stands behind luapool.h: the runtime that a host holds.
 *
 * The files of this folder are thin: each has one chapter of luapool.h, and what it does stands
 * in the layers below. Each function that a host calls begins with lp_api_begin, and ends with
 * a code of luapool.h. Layer: api. Process: main. */
#ifndef LP_API_API_H
#define LP_API_API_H

#include <stdbool.h>

#include "runtime/base/list.h"
#include "runtime/loop/mailbox.h"
#include "runtime/loop/part.h"
#include "runtime/loop/state.h"
#include "runtime/luapool.h"

struct luapool {
  lp_state state;
  luapool_options options;
  /* How other threads reach it. NULL once it is closed. */
  lp_mailbox *mailbox;
  /* It closes the mailbox, and lets go of the host's references, before Lua is closed. */
  lp_part part;
  /* The references that the host holds: luapool_task.link, luapool_env.link. */
  lp_list tasks, environments;
  /* What luapool_run waits for, or NULL. */
  luapool_task *until;
  /* The text of the last call that failed, NULL when there was no memory for it. */
  char *error;
  /* The code of the last call. */
  int code;
};

struct luapool_env {
  /* In luapool.environments, or in none once the runtime is closed. */
  lp_list link;
  /* NULL once it is closed. */
  luapool *rt;
  /* loop/environment.h */
  unsigned number;
};

/* The number of an environment of the host's; of the shared one when it is NULL. */
static inline unsigned lp_api_environment(const luapool *rt, const luapool_env *env) {
  return env ? env->number : rt->state.shared;
}

/* The runtime of a state that this API has opened. */
static inline luapool *lp_api_of(lp_state *st) {
  return lp_list_of(st, luapool, state);
}

/* The same for any state; NULL in a worker. */
luapool *lp_life_find(lp_state *st);

/* A call begins: the last error is gone. */
void lp_api_begin(luapool *rt);

/* The same for a call that drives or closes the runtime. Returns OK, or EINSIDE when the
 * runtime calls the host just now. Each call in which scripts or callbacks of the host may run
 * counts in `state.inside` meanwhile. */
int lp_api_begin_outside(luapool *rt);

/* A call fails with a code of luapool.h and a text. Returns the code. */
int lp_api_fail(luapool *rt, int code, const char *text);

/* A call fails with a code of the core. Returns one of luapool.h. */
int lp_api_fail_core(luapool *rt, int code);

/* A call fails with the error on top of L's stack, which is popped. Returns the code of
 * luapool.h that stands for it. */
int lp_api_fail_lua(luapool *rt, lua_State *L, int status);

/* No runtime could be opened: luapool_error(NULL) will return the text in this thread. Returns
 * the code. */
int lp_api_fail_open(int code, const char *text);

/* The code of luapool.h for a code of the core. */
int lp_api_code(int core);

/* The code of luapool.h for an error of Lua at `index`, by its kind. Never raises. */
int lp_api_code_of_error(lua_State *L, int index);

#endif
