/* tests/support/bare.h: Lua states that belong to no runtime, for the wire alone. */
#ifndef TESTS_SUPPORT_BARE_H
#define TESTS_SUPPORT_BARE_H

#include "runtime/loop/state.h"

/* The wire asks the runtime of a state which environment is the current one: the free one. */
static inline lua_State *bare_state(lua_State *L) {
  static lp_state st;
  *(lp_state **)lua_getextraspace(L) = &st;
  return L;
}

#endif
