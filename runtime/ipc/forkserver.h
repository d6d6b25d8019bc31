/* ipc/forkserver.h: a runtime's connection to the forkserver, the process that forks workers.
 *
 * The forkserver forks on request, reaps by pid and reports. When the runtime hangs up it kills
 * and reaps the workers of this connection; those of other runtimes go on. Layer: ipc. Owner:
 * the runtime in main that has opened it. */
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
  /* The forkserver itself is dead and reaped, and with it all its workers, of which no `ended`
   * comes any more. The owner then closes the handle. */
  void (*gone)(lp_forkserver *fs);
} lp_forkserver_events;

/* Connects to the forkserver that was forked as `handle` or, when there is none, to the one
 * that is started from `program`: see forkproc.h. The connection does not keep the loop alive.
 * Returns 0 or a negative code. */
int lp_forkserver_open(lp_forkserver **fs, uv_loop_t *loop, int handle, const char *program,
                       const lp_forkserver_events *events, void *owner);
void *lp_forkserver_owner(lp_forkserver *fs);

/* Asks for a worker. The descriptors are sent and stay the caller's, who closes them. Returns 0
 * or a negative code. */
int lp_forkserver_spawn(lp_forkserver *fs, const lp_spawn *spawn);

/* Sends a signal to a worker, unless it has been reaped. */
int lp_forkserver_kill(lp_forkserver *fs, uint32_t id, int signum);

/* It goes on when somebody has stopped it. */
void lp_forkserver_wake(lp_forkserver *fs);

/* The process, for tests. 0 when it is dead. */
pid_t lp_forkserver_pid(const lp_forkserver *fs);

/* Hangs up, and waits (blocking, it is short) until the forkserver has killed and reaped the
 * workers. The handle closes on a later turn of the loop and the memory goes back then. NULL is
 * fine. */
void lp_forkserver_close(lp_forkserver *fs);

#endif
