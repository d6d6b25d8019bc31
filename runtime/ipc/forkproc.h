/* ipc/forkproc.h: the forkservers of this process.
 *
 * A forkserver is a tiny single-threaded process that never runs user code and never makes a
 * thread or a loop: forking from it is safe whatever main has loaded. All runtimes of a process
 * share one, in whatever threads they run: each has a connection of its own to it
 * (forkserver.h). The functions may be called from any thread. Layer: ipc. Owner: the process;
 * lp_forkproc_serve alone runs in the forkserver. */
#ifndef LP_IPC_FORKPROC_H
#define LP_IPC_FORKPROC_H

#include <sys/types.h>

#include "runtime/ipc/spawn.h"

typedef struct lp_forkproc lp_forkproc;

/* Forks a forkserver, from a process without threads; the earlier in its life, the cheaper and
 * cleaner. Opens /dev/null for each of 0, 1 and 2 that is closed. `main` runs in each worker.
 * Returns a handle above 2, which is valid until lp_forkproc_end, or a negative errno. */
int lp_forkproc_fork(lp_spawn_main main);

/* Ends a forkserver that was forked, when no runtime uses it any more, and waits (blocking, it
 * is short) until it is reaped. Does nothing when `handle` is no handle. */
void lp_forkproc_end(int handle);

/* Finds the forkserver that was forked as `handle`. When there is none, or it is dead, finds
 * the one that was started as `program --forkserver`, or starts it with posix_spawn; that
 * program calls lp_forkproc_serve(3, ...). Returns 0 or a negative code. */
int lp_forkproc_open(lp_forkproc **p, int handle, const char *program);

/* Ends a forkserver that was started, with its last user, and waits until it is reaped. */
void lp_forkproc_close(lp_forkproc *p);

/* Returns the socket of a new connection, or a negative errno: -EPIPE when the forkserver is
 * dead. */
int lp_forkproc_connect(const lp_forkproc *p);

/* A connection has broken, so the forkserver is dead: it is reaped, and nobody finds it any
 * more. */
void lp_forkproc_lost(lp_forkproc *p);

/* It goes on when somebody has stopped it. */
void lp_forkproc_wake(const lp_forkproc *p);

/* The process, for tests. 0 when it is dead. */
pid_t lp_forkproc_pid(const lp_forkproc *p);

/* The forkserver's own loop, on the socket `fd`. Returns the exit code of the process. */
int lp_forkproc_serve(int fd, lp_spawn_main main);

#endif
