/* bindings/pool/outcome.h: what an ended call has come to, as Lua values. Layer: bindings.
 * Process: main. */
#ifndef LPB_POOL_OUTCOME_H
#define LPB_POOL_OUTCOME_H

#include <lua.h>

#include "runtime/pool/pool.h"

/* Pushes what an ended call has come to: returns the number of results, or -1 with one error on
 * top. `graph`: as for lpb_pool_encode. */
int lpb_pool_outcome_push(lua_State *L, lp_call *call, int graph);

#endif
