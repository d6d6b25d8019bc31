/* worker/worker.h: a worker process: serves its channel until it is told to exit or main is
 * gone. Layer: worker. Process: worker. */
#ifndef LP_WORKER_WORKER_H
#define LP_WORKER_WORKER_H

#include <lua.h>

#include "runtime/ipc/spawn.h"

/* Runs the worker; `modules` adds modules to its state, as for lp_state_open. Returns the exit
 * code. */
int lp_worker_run(const lp_spawn *spawn, lua_CFunction modules);

#endif
