/* bindings/fs/op.h: an operation on files as an op: it runs in libuv's thread pool on copies,
 * turn by turn where a pipe has to wait for its other end. A cancelled task goes on at once.
 * Layer: bindings. */
#ifndef BINDINGS_FS_OP_H
#define BINDINGS_FS_OP_H

#include <lua.h>
#include <stdbool.h>
#include <uv.h>

#include "bindings/fs/work.h"
#include "runtime/loop/op.h"
#include "runtime/loop/state.h"

typedef struct lpb_fs_op lpb_fs_op;

typedef struct lpb_fs_op_verb {
  const char *function;                    /* "fs.read" */
  const char *name;                        /* in messages: "cannot read" */
  unsigned allow;                          /* what the script must be allowed */
  int (*work)(lpb_fs_work *w);             /* in a thread */
  int (*push)(lua_State *L, lpb_fs_op *f); /* the results; NULL: none */
} lpb_fs_op_verb;

struct lpb_fs_op {
  lp_op op;
  lp_state *st;
  const lpb_fs_op_verb *verb;
  lpb_fs_work w;  /* a thread's while `working` */
  uv_work_t job;  /* while `working`, */
  uv_poll_t poll; /* while `polling`, */
  lp_timer pause; /* else what is waited for before the next turn in a thread */
  bool working, polling;
  bool given_up; /* nobody waits for it any more */
  int rc;        /* of the latest turn */
};

/* Pushes an operation for the current task, without paths. */
lpb_fs_op *lpb_fs_op_new(lua_State *L, const lpb_fs_op_verb *verb);

/* Copies the paths; `to` may be NULL. 0 or LP_EMEMORY. */
int lpb_fs_op_set_paths(lpb_fs_op *f, const char *path, const char *to);

/* Begins it and awaits its results; with a negative `rc` it has failed already. Yields. Use it
 * as `return lpb_fs_op_await(L, f, rc)`. Raises kind `fs`. */
int lpb_fs_op_await(lua_State *L, lpb_fs_op *f, int rc);

#endif
