/* loop/seed.c: sets the seed of a Lua state's hashes.
 *
 * lua_newstate of Lua 5.4 makes that seed of addresses and of the time, and offers no way to
 * set it (that of 5.5 takes it as an argument). It does so before it makes the first string,
 * and it allocates in between. So the allocator, when it is called for the second time, writes
 * our seed into the first block. Where, the fields before it tell: the allocator and its
 * argument, counts that are known at this moment, an empty table of strings, and a number 0
 * that says "not built". These are the same in all of 5.4.0 to 5.4.8. A Lua in which they are
 * not found is refused. Layer: loop. */
#include "runtime/loop/seed.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "runtime/base/error.h"

/* A value of Lua. */
typedef struct value {
  lua_Integer bits;
  unsigned char type;
} value;

/* How the global state of Lua 5.4 begins. */
typedef struct inside {
  lua_Alloc alloc;
  void *ud;
  ptrdiff_t total, debt;
  size_t estimate, last;
  void *strings;
  int used, size;
  value registry, not_built;
  unsigned seed;
} inside;

typedef struct seeding {
  lua_Alloc alloc;
  void *ud;
  unsigned seed;
  char *block; /* the first one, and its size */
  size_t size;
  bool found;
} seeding;

static void *on_alloc(void *ud, void *p, size_t old_size, size_t new_size);

static bool is_inside(const inside *in, const seeding *s) {
  return in->alloc == on_alloc && in->ud == s && in->total == (ptrdiff_t)s->size &&
         in->debt == 0 && in->last == 0 && !in->strings && in->used == 0 && in->size == 0 &&
         (in->registry.type & 0x0f) == LUA_TNIL && in->not_built.bits == 0 &&
         (in->not_built.type & 0x0f) == LUA_TNUMBER;
}

static void plant(seeding *s) {
  for (size_t at = 0; at + sizeof(inside) <= s->size && !s->found; at += sizeof(void *)) {
    inside in;
    memcpy(&in, s->block + at, sizeof in);
    if (!is_inside(&in, s)) continue;
    s->found = true;
    memcpy(s->block + at + offsetof(inside, seed), &s->seed, sizeof s->seed);
  }
}

static void *on_alloc(void *ud, void *p, size_t old_size, size_t new_size) {
  seeding *s = ud;
  if (s->block && !s->found) plant(s);
  void *fresh = s->alloc(s->ud, p, old_size, new_size);
  if (!s->block) {
    s->block = fresh;
    s->size = new_size;
  }
  return fresh;
}

int lp_seed_state(lua_State **out, lua_Alloc alloc, void *ud, uint64_t seed) {
  seeding s = {.alloc = alloc, .ud = ud, .seed = (unsigned)(seed ^ seed >> 32)};
  *out = seed ? lua_newstate(on_alloc, &s) : lua_newstate(alloc, ud);
  if (!*out) return LP_EMEMORY;
  if (!seed) return 0;
  lua_setallocf(*out, alloc, ud);
  if (s.found) return 0;
  lua_close(*out);
  *out = NULL;
  return -ENOTSUP;
}

void lp_seed_random(lua_State *L, uint64_t seed) {
  lua_getglobal(L, LUA_MATHLIBNAME);
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, (lua_Integer)seed);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
}
