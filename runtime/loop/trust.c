/* loop/trust.c: the list of whole chunks. There are some thirty, and only the end of a slice
 * looks one up. Layer: loop. */
#include "runtime/loop/trust.h"

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/scripts.h"
#include "runtime/loop/state.h"

static bool knows(const lp_trust *trust, const char *source) {
  for (int i = 0; i < trust->count; i++)
    if (trust->whole[i] == source) return true;
  return false;
}

void lp_trust_enter(lua_State *L) {
  lp_trust *trust = &lp_state_of(L)->trust;
  lua_Debug ar;
  lua_pushvalue(L, -1);
  lua_getinfo(L, ">S", &ar);
  if (!(lp_script_flags(&ar) & LP_SCRIPT_WHOLE) || knows(trust, ar.source)) return;
  if (trust->count == trust->size) {
    int size = trust->size ? 2 * trust->size : 32;
    void *bytes = lp_alloc_resize(trust->whole, (size_t)size * sizeof *trust->whole);
    if (!bytes) lp_raise_code(L, LP_EMEMORY, NULL);
    trust->whole = bytes;
    trust->size = size;
  }
  trust->whole[trust->count++] = ar.source;
}

bool lp_trust_is_whole(const lp_state *st, const lua_Debug *ar) {
  return lp_script_flags(ar) & LP_SCRIPT_WHOLE && knows(&st->trust, ar->source);
}

void lp_trust_close(lp_trust *trust) {
  lp_alloc_free(trust->whole);
  *trust = (lp_trust){0};
}
