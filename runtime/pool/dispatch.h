/* pool/dispatch.h: which worker gets which call. Layer: pool. Process: main. */
#ifndef LP_POOL_DISPATCH_H
#define LP_POOL_DISPATCH_H

#include "runtime/pool/crew.h"

/* Sends calls in line to workers with a free place; when a worker has nothing to do, asks the
 * busiest one for calls that it has not started. */
void lp_dispatch_run(lp_crew *crew);

/* A worker has given back what it was asked for: the `n` numbers (uint64_t, not aligned) of
 * calls that it knows no more. Needs no memory, or they would be lost. */
void lp_dispatch_returned(lp_crew *crew, lp_slot *slot, const char *numbers, size_t n);

#endif
