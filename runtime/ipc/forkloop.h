/* ipc/forkloop.h: the loop of the forkserver's process, and what it speaks with main.
 *
 * Each message is one packet of the control socket; a spawn carries its four descriptors with
 * it. Layer: ipc. Private to forkserver.c and forkloop.c. */
#ifndef LP_IPC_FORKLOOP_H
#define LP_IPC_FORKLOOP_H

#include <stdint.h>

#include "runtime/ipc/spawn.h"

enum { LP_FORKLOOP_FDS = 4 }; /* channel, out, err, page: in this order */

enum { LP_FORKLOOP_SPAWN, LP_FORKLOOP_KILL };

/* From main. */
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

/* To main; the fields are those of lp_forkserver_events. */
typedef struct lp_forkloop_report {
  uint32_t kind, id;
  int32_t pid, status, error;
  int64_t peak;
} lp_forkloop_report;

/* Serves until main is gone, then kills and reaps what is left. `signals` is a signalfd of
 * SIGCHLD and SIGCONT, both blocked. Returns in the forkserver alone; a worker exits with what
 * `main` returns. */
void lp_forkloop_run(int control, int signals, lp_spawn_main main);

#endif
