/* ipc/forkserver.h: the process that forks workers.
 *
 * A tiny single-threaded process that never runs user code and never makes a thread or a loop:
 * forking from it is safe whatever main has loaded. It forks on request, reaps by pid and
 * reports. When main is gone (end of file on the control socket) it kills and reaps its
 * workers, then exits. Layer: ipc. Owner: the runtime in main that starts it. */
#ifndef LP_IPC_FORKSERVER_H
#define LP_IPC_FORKSERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "runtime/ipc/spawn.h"

typedef struct lp_forkserver lp_forkserver;

/* How a worker ended. */
typedef struct lp_forkserver_end {
  pid_t pid;  /* 0 when it could not be forked: */
  int status; /* as from waitpid; -1 then, */
  int error;  /* and this is a negative errno; else 0 */
  long peak;  /* the most kilobytes that were resident */
} lp_forkserver_end;

/* Control socket and channels are not ordered against each other: a worker's first frame may
 * come before `started`, and its last ones after `ended`. A callback may close the handle: then
 * none follows. */
typedef struct lp_forkserver_events {
  /* Forked: its pid. */
  void (*started)(lp_forkserver *fs, uint32_t id, pid_t pid);
  /* It has ended and is reaped. Also called when it could not be forked, `started` not having
   * been called. */
  void (*ended)(lp_forkserver *fs, uint32_t id, const lp_forkserver_end *end);
  /* It was stopped (true) by a signal, or continued (false). */
  void (*stopped)(lp_forkserver *fs, uint32_t id, pid_t pid, bool stopped);
  /* The forkserver itself is gone and reaped, and with it all its workers, of which no `ended`
   * comes any more. The owner then closes the handle. */
  void (*gone)(lp_forkserver *fs);
} lp_forkserver_events;

/* Forks the forkserver, from a process without threads; the earlier in its life, the cheaper
 * and cleaner. Opens /dev/null for each of 0, 1 and 2 that is closed. `main` runs in each
 * worker. Returns the control socket, or a negative errno. *pid is the forkserver. */
int lp_forkserver_fork(lp_spawn_main main, pid_t *pid);

/* For a process that may have threads: starts `program` with posix_spawn as `program
 * --forkserver`; that program calls lp_forkserver_serve(3, ...). Returns the control socket, or
 * a negative errno. */
int lp_forkserver_exec(const char *program, pid_t *pid);

/* The forkserver's own loop, on the control socket `fd`. Returns the exit code of the process.
 */
int lp_forkserver_serve(int fd, lp_spawn_main main);

/* Main's end. Takes over control socket and pid. The handle does not keep the loop alive.
 * Returns 0 or a negative code; on failure both stay the caller's. */
int lp_forkserver_open(lp_forkserver **fs, uv_loop_t *loop, int fd, pid_t pid,
                       const lp_forkserver_events *events, void *owner);
void *lp_forkserver_owner(lp_forkserver *fs);

/* Asks for a worker. The descriptors are sent and stay the caller's, who closes them. Returns 0
 * or a negative code. */
int lp_forkserver_spawn(lp_forkserver *fs, const lp_spawn *spawn);

/* Sends a signal to a worker, unless it has been reaped. */
int lp_forkserver_kill(lp_forkserver *fs, uint32_t id, int signum);

/* It goes on when somebody has stopped it. */
void lp_forkserver_wake(lp_forkserver *fs);

/* Hangs up on a forkserver that has no handle, and waits (blocking, it is short) until it has
 * killed and reaped its workers and is reaped itself. One that is stopped meanwhile is made to
 * go on. */
void lp_forkserver_hang_up(int fd, pid_t pid);

/* The same for a handle. The handle closes on a later turn of the loop and the memory
 * goes back then. NULL is fine. */
void lp_forkserver_close(lp_forkserver *fs);

#endif
