/* bindings/pool/pool.h: the class of pools, and how values are sent to workers. Layer:
 * bindings. Process: main. */
#ifndef LPB_POOL_POOL_H
#define LPB_POOL_POOL_H

#include <lauxlib.h>

#include "runtime/pool/pool.h"

/* Returns the pool at `arg`; raises when it is something else. */
lp_pool *lpb_pool_check(lua_State *L, int arg);

/* Raises when the pool takes no new work. */
void lpb_pool_check_open(lua_State *L, const lp_pool *pool);

/* Encodes the `n` values from stack index `first` on. `graph` and `record` are the fields
 * `known` and `record` of lp_wire. The bytes stand in *bytes, the numbers of the prototypes and
 * objects in *protos; both are valid until the next call. Raises when a value cannot travel. */
void lpb_pool_encode(lua_State *L, lp_pool *pool, int graph, int record, int first, int n,
                     lp_buf **bytes, lp_buf **protos);

/* Functions of the module. */
extern const luaL_Reg lpb_pool_functions[];

/* Makes the class of pools and pushes it. */
void lpb_pool_open(lua_State *L);

#endif
