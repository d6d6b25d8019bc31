/* bindings/pool/pool.h: what the files of luapool.pool in C share. Layer: bindings. Process:
 * main.
 */
#ifndef LP_BINDINGS_POOL_POOL_H
#define LP_BINDINGS_POOL_POOL_H

#include <lua.h>

#include "runtime/pool/pool.h"

/* The pool at `arg`; raises when it is something else. */
lp_pool *lpb_pool_check(lua_State *L, int arg);

/* Raises when the pool takes no new work. */
void lpb_pool_check_open(lua_State *L, const lp_pool *pool);

/* Encodes `n` values from stack index `first` as wire.known at `graph` says, and sees to it
 * that the prototypes are at hand. The bytes stand in *bytes, the prototype numbers in *protos:
 * both valid until the next call. Raises when a value cannot travel. */
void lpb_pool_encode(lua_State *L, lp_pool *pool, int graph, int record, int first, int n,
                     lp_buf **bytes, lp_buf **protos);

/* Pushes what an ended call has come to: returns the number of results, or -1 with one error on
 * top. `graph`: as for lpb_pool_encode. */
int lpb_pool_push_outcome(lua_State *L, lp_call *call, int graph);

/* Puts the class of maps into the registry, and core.map into the table on top. */
void lpb_pool_open_map(lua_State *L);

#endif
