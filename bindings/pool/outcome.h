/* bindings/pool/outcome.h: pushes what has become of a call. Layer: bindings. Process: main. */
#ifndef LPB_POOL_OUTCOME_H
#define LPB_POOL_OUTCOME_H

#include <lua.h>

#include "runtime/pool/pool.h"

/* Pushes the results of an ended call and returns their number, or pushes its error and returns
 * -1. `graph`: as for lpb_pool_encode. */
int lpb_pool_outcome_push(lua_State *L, lp_call *call, int graph);

#endif
