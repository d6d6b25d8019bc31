/* loop/seed.h: Lua states whose random numbers and hashes are the host's to choose.
 *
 * Layer: loop. Owner: state.c. */
#ifndef LP_LOOP_SEED_H
#define LP_LOOP_SEED_H

#include <lua.h>
#include <stdint.h>

/* Makes a Lua state. With a seed that is not 0, the order in which `pairs` visits tables with
 * strings as keys is the same for the same seed. (Keys of other types have no such order:
 * tables, functions and the like are visited in that of their addresses.) Returns 0,
 * LP_EMEMORY, or -ENOTSUP for a seed on a Lua whose inside it does not know. */
int lp_seed_state(lua_State **out, lua_Alloc alloc, void *ud, uint64_t seed);

/* Seeds math.random of a state with open libraries. */
void lp_seed_random(lua_State *L, uint64_t seed);

#endif
