/* wire/encode.h: what the files that write a graph share.
 *
 * The encoder writes behind out->len and moves it only when all went well; so a raise, from
 * wherever it comes, leaves the buffer as it was. Layer: wire, private to it. */
#ifndef LP_WIRE_ENCODE_H
#define LP_WIRE_ENCODE_H

#include "runtime/wire/format.h"
#include "runtime/wire/graph.h"
#include "runtime/wire/seen.h"
#include "runtime/wire/wire.h"

typedef enum {
  LP_STEP_ROOT,
  LP_STEP_FIELD,
  LP_STEP_KEY,
  LP_STEP_META,
  LP_STEP_UPVALUE
} lp_step_kind;

/* One step of the way to the value that is being written, for the error: a chain on the C
 * stack. */
typedef struct lp_step {
  const struct lp_step *up;
  lp_step_kind kind;
  int index;   /* stack index of the value (root), the key (field), the function (upvalue) */
  int upvalue; /* which one */
} lp_step;

typedef struct lp_encoder {
  lua_State *L;
  const lp_wire *w;
  lp_buf *out;
  size_t start, pos; /* of the message in out->data: its begin and its end so far */
  size_t protos;     /* bytes of w->protos->data that count */
  int first, n;      /* the values */
  int depth;
  int names;     /* stack index of the map of names; 0 until the first object */
  int rescanned; /* the names have been looked for again */
  int known;     /* w->known, or 0 when nothing is in it */
  const void *globals;
  const lp_step *path; /* innermost step */
  lp_place *places;    /* LP_SEEN_FIRST of them, on the C stack */
  lp_seen seen;
} lp_encoder;

/* Makes room for n bytes more behind e->pos. Raises. */
void lp_encode_grow(lp_encoder *e, size_t n);

/* Where n bytes can be written; move e->pos by what was used. */
static inline char *lp_encode_room(lp_encoder *e, size_t n) {
  if (e->out->cap - e->pos < n) lp_encode_grow(e, n);
  return e->out->data + e->pos;
}

/* Writes a tag and a number. */
void lp_encode_tag(lp_encoder *e, int tag, uint64_t number);

/* Writes the value at a stack index (absolute). */
void lp_encode_value(lp_encoder *e, int index);

/* Writes a Lua function that has not been met before. In function.c. */
void lp_function_encode(lp_encoder *e, int index);

/* One level deeper: the step becomes the innermost one. */
void lp_encode_enter(lp_encoder *e, lp_step *step);
void lp_encode_leave(lp_encoder *e, const lp_step *step);

/* Marks the object whose tag is at this offset as one that is referred to. */
static inline void lp_encode_share(lp_encoder *e, uint32_t at) {
  e->out->data[e->start + at] |= LP_TAG_SHARED;
}

/* Raises "cannot send <the way to the value>: <why>". In path.c. */
void lp_path_raise(lp_encoder *e, const char *why);

/* The same for a value that cannot travel, which it describes. */
void lp_path_refuse(lp_encoder *e, int index);

#endif
