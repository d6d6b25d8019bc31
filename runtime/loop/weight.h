/* loop/weight.h: memory that libraries hold for scripts counts against the ceiling of the
 * runtime. Layer: loop. */
#ifndef LP_LOOP_WEIGHT_H
#define LP_LOOP_WEIGHT_H

#include <lua.h>
#include <stdbool.h>

#include "runtime/base/heap.h"
#include "runtime/loop/state.h"

/* Is there a ceiling? Without one nothing needs to be counted, or estimated. */
static inline bool lp_weight_counts(lua_State *L) {
  return lp_state_of(L)->heap.limit > 0;
}

/* Counts n bytes that a library is about to allocate, or has. Garbage is collected when they do
 * not fit, because it may hold trees and databases; raises kind `memory` when they still do
 * not: then they are not counted. `what` names the function. */
void lp_weight_add(lua_State *L, size_t n, const char *what);

/* The library has given them back. */
static inline void lp_weight_drop(lp_state *st, size_t n) {
  lp_heap_discharge(&st->heap, n);
}

#endif
