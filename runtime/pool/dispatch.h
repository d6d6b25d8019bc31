/* pool/dispatch.h: which worker gets which call. Layer: pool. Process: main. */
#ifndef LP_POOL_DISPATCH_H
#define LP_POOL_DISPATCH_H

#include "runtime/pool/pool.h"

/* Sends pending calls to workers with a free place; when a worker has nothing to do, asks the
 * busiest one for calls that it has not started. */
void lp_dispatch_run(lp_pool *pool);

/* The call is first in line again: its worker has died, or has given it back unstarted. */
void lp_dispatch_requeue(lp_call *call);

/* A worker's answer to being asked for `n` calls. */
void lp_dispatch_returned(lp_slot *slot, const uint64_t *numbers, uint32_t n);

#endif
