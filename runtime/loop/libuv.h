/* loop/libuv.h: what libuv has once for a process, and keeps until its end: threads for what
 * blocks, and a pipe for signals. All runtimes share them, and so does a host that uses libuv.
 * Layer: loop. */
#ifndef LP_LOOP_LIBUV_H
#define LP_LOOP_LIBUV_H

#include <signal.h>
#include <stdbool.h>
#include <uv.h>

/* As uv_loop_init, which aborts the process when it is the first one and finds no descriptors
 * for that pipe, and loses one when it finds too few later: this returns -EMFILE then. */
int lp_libuv_init(uv_loop_t *loop);

typedef struct lp_libuv_hold {
  sigset_t before;
  bool held;
} lp_libuv_hold;

/* Stands before a call that gives libuv's threads a job, and behind it. The first job makes
 * them, with the signal mask of this thread, which holds all back meanwhile: so no handler of
 * the host runs in one of them. */
lp_libuv_hold lp_libuv_begin(void);
void lp_libuv_end(const lp_libuv_hold *hold);

/* As uv_queue_work. */
int lp_libuv_queue(uv_loop_t *loop, uv_work_t *job, uv_work_cb run, uv_after_work_cb ran);

#endif
