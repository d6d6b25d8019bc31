/* ipc/forkloop.h: the loop of the forkserver's process, and what is said to it.
 *
 * Each message is one packet. On the root socket the process of the runtimes asks for
 * connections: the socket of a new one comes with the message. On a connection a runtime asks
 * for workers, each with its four descriptors, and is told of them. Layer: ipc. Private to
 * forkproc.c, forkserver.c and forkloop.c. */
#ifndef LP_IPC_FORKLOOP_H
#define LP_IPC_FORKLOOP_H

#include <stdint.h>

#include "runtime/ipc/spawn.h"

enum { LP_FORKLOOP_FDS = 4 }; /* channel, out, err, page: in this order */

enum { LP_FORKLOOP_SPAWN, LP_FORKLOOP_KILL, LP_FORKLOOP_JOIN };

/* To the forkserver. */
typedef struct lp_forkloop_request {
  uint32_t kind, id;
  uint32_t slot;  /* of a spawn */
  int32_t signum; /* of a kill */
} lp_forkloop_request;

enum {
  LP_FORKLOOP_STARTED,
  LP_FORKLOOP_ENDED,
  LP_FORKLOOP_STOPPED,
  LP_FORKLOOP_CONTINUED,
  LP_FORKLOOP_REPORTS
};

/* From the forkserver; the fields are those of lp_forkserver_events. */
typedef struct lp_forkloop_report {
  uint32_t kind, id;
  int32_t pid, status, error;
  int64_t peak;
} lp_forkloop_report;

/* Sends a request with copies of `nfds` descriptors, without waiting. Returns 0 or a negative
 * errno; -EAGAIN when the socket is full. */
int lp_forkloop_send(int fd, const lp_forkloop_request *r, const int *fds, int nfds);

/* Serves until the process that has started us is gone, or has hung up on the root socket and
 * on all connections. A runtime that hangs up on its connection has its workers killed and
 * reaped; then the connection is closed. `signals` is a signalfd of SIGCHLD and SIGCONT, both
 * blocked. Returns in the forkserver alone, 0 or LP_EMEMORY; a worker exits with what `main`
 * returns. */
int lp_forkloop_run(int root, int signals, lp_spawn_main main);

#endif
