/* loop/trust.h: which functions are of luapool's own scripts, by identity and not by name.
 *
 * A function refers to the name of its chunk, and all functions of a chunk refer to the same
 * one. The names of luapool's scripts are so long that Lua has a copy for each chunk that it
 * loads; the address of that identifies the chunk, whatever names others give to theirs. Layer:
 * loop. Owner: lp_state. */
#ifndef LP_LOOP_TRUST_H
#define LP_LOOP_TRUST_H

#include <lua.h>
#include <stdbool.h>

typedef struct lp_state lp_state;

typedef struct lp_trust {
  /* The names of chunks that are whole: see scripts.h. */
  const char **whole;
  int count, size;
} lp_trust;

/* The function on top was loaded from bytecode that is luapool's own: compiled in, or of a
 * channel. Raises for want of memory. */
void lp_trust_enter(lua_State *L);

/* True when no slice ends in this function, for which lua_getinfo has been asked "S". */
bool lp_trust_is_whole(const lp_state *st, const lua_Debug *ar);

/* Gives the memory back. */
void lp_trust_close(lp_trust *trust);

#endif
