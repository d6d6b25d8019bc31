/* loop/libuv.c: the first use of libuv in a process. Layer: loop. */
#include "runtime/loop/libuv.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A loop was made, so the pipe is there. A job was given: the threads are. */
static atomic_bool has_pipe, has_threads;

/* Returns 0 when so many descriptors can be had, or a negative errno. */
static int reserve(int n) {
  int fds[16], got = 0, rc = 0;
  for (; got < n && rc == 0; got++) {
    fds[got] = eventfd(0, EFD_CLOEXEC);
    if (fds[got] < 0) rc = -errno;
  }
  while (got--)
    if (fds[got] >= 0) close(fds[got]);
  return rc;
}

/* The first loop of a process makes a pipe for it, too, and aborts when there is none; what a
 * loop lacks is an error. */
int lp_libuv_init(uv_loop_t *loop) {
  enum { FIRST = 8 }; /* more than a loop and the pipe are */
  int rc = has_pipe ? 0 : reserve(FIRST);
  if (rc == 0) rc = uv_loop_init(loop);
  if (rc == 0) has_pipe = true;
  return rc;
}

lp_libuv_hold lp_libuv_begin(void) {
  lp_libuv_hold hold = {.held = !has_threads};
  sigset_t all;
  sigfillset(&all);
  if (hold.held) pthread_sigmask(SIG_SETMASK, &all, &hold.before);
  return hold;
}

void lp_libuv_end(const lp_libuv_hold *hold) {
  has_threads = true;
  if (hold->held) pthread_sigmask(SIG_SETMASK, &hold->before, NULL);
}

int lp_libuv_queue(uv_loop_t *loop, uv_work_t *job, uv_work_cb run, uv_after_work_cb ran) {
  lp_libuv_hold hold = lp_libuv_begin();
  int rc = uv_queue_work(loop, job, run, ran);
  lp_libuv_end(&hold);
  return rc;
}
