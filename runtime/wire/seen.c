/* wire/seen.c: where in the message each object of a graph was written. Open addressing, at
 * most three quarters full. Layer: wire. */
#include "runtime/wire/seen.h"

#include <string.h>

void lp_seen_open(lp_seen *s, lp_place *first, int anchor) {
  memset(first, 0, LP_SEEN_FIRST * sizeof(*first));
  *s = (lp_seen){.slots = first, .size = LP_SEEN_FIRST, .anchor = anchor};
}

/* The slot that holds the object, or the free one where it belongs. */
static lp_place *find(const lp_seen *s, const void *object) {
  uint64_t hash = ((uint64_t)(uintptr_t)object >> 3) * 0x9e3779b97f4a7c15u;
  for (size_t i = (size_t)(hash >> 32);; i++) {
    lp_place *place = &s->slots[i & (s->size - 1)];
    if (place->object == object || !place->object) return place;
  }
}

static void grow(lua_State *L, lp_seen *s) {
  lp_seen old = *s;
  size_t bytes = 4 * old.size * sizeof(lp_place);
  s->slots = memset(lua_newuserdatauv(L, bytes, 0), 0, bytes);
  s->size = 4 * old.size;
  for (size_t i = 0; i < old.size; i++) {
    if (old.slots[i].object) *find(s, old.slots[i].object) = old.slots[i];
  }
  lua_replace(L, s->anchor);
}

lp_place *lp_seen_at(lua_State *L, lp_seen *s, const void *object) {
  lp_place *place = find(s, object);
  if (place->object) return place;
  if (4 * (s->count + 1) > 3 * s->size) {
    grow(L, s);
    place = find(s, object);
  }
  s->count++;
  place->object = object;
  place->at = LP_SEEN_NEW;
  return place;
}
