/* pool/stall.h: has a pool come to a standstill: can only main wake any task of its workers?
 *
 * Asked of a worker once main has been idle for a while, and answered by it when it is so, with
 * the number of frames that it has heard by then. While that is all that main has said it stays
 * so. A pool at a standstill does not keep the loop alive. Layer: pool. Process: main. */
#ifndef LP_POOL_STALL_H
#define LP_POOL_STALL_H

#include <stdbool.h>

#include "runtime/ipc/frame.h"
#include "runtime/pool/pool.h"

typedef struct lp_slot lp_slot;

/* Asks those workers of the pool that have not been asked, or have heard more since they
 * answered. */
void lp_stall_ask(lp_pool *pool);

/* The answer. */
void lp_stall_heard(lp_slot *slot, const lp_frame *frame);

/* None of its workers can go on. */
bool lp_stall_all(const lp_pool *pool);

/* Has all workers with something to do write what their tasks wait for. */
void lp_stall_show(lp_state *st);

#endif
