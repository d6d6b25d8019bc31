/* wire/seen.h: where in the message each object of a graph was written.
 *
 * A hash table from addresses to offsets. It begins in the caller's C stack; when it grows, its
 * memory is a Lua userdata, so that an error leaves nothing behind. Layer: wire, private to it.
 */
#ifndef LP_WIRE_SEEN_H
#define LP_WIRE_SEEN_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

enum { LP_SEEN_FIRST = 8 };

#define LP_SEEN_NEW UINT32_MAX

typedef struct lp_place {
  /* The address of the object; NULL in a free place. */
  const void *object;
  /* The offset of its first tag; LP_SEEN_NEW when it was just entered. */
  uint32_t at;
  /* When the object is the cell of an upvalue: which upvalue of the function at `at`. */
  uint8_t upvalue;
} lp_place;

typedef struct lp_seen {
  /* The hash table; NULL until the first object. */
  lp_place *slots;
  size_t size, count;
  /* The stack index of the userdata that holds the table once it has grown. */
  int anchor;
} lp_seen;

/* Begins an empty table in `first`, LP_SEEN_FIRST places. */
void lp_seen_open(lp_seen *s, lp_place *first, int anchor);

/* The place of an object, entered now when it is new. Valid until the next call. May raise. */
lp_place *lp_seen_at(lua_State *L, lp_seen *s, const void *object);

#endif
