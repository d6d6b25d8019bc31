/* loop/weight.c: what happens when native memory does not fit. Layer: loop. */
#include "runtime/loop/weight.h"

#include "runtime/base/error.h"
#include "runtime/loop/raise.h"

void lp_weight_add(lua_State *L, size_t n, const char *what) {
  lp_heap *h = &lp_state_of(L)->heap;
  if (lp_heap_charge(h, n)) return;
  if (n < h->limit) lua_gc(L, LUA_GCCOLLECT);
  if (!lp_heap_charge(h, n)) lp_raise_code(L, LP_EMEMORY, what);
}
