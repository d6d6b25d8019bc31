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
  /* Stack index: of the value at the root, of the key of a field, of the function that has the
   * upvalue. */
  int index;
  /* Which upvalue of the function. */
  int upvalue;
} lp_step;

typedef struct lp_encoder {
  lua_State *L;
  const lp_wire *w;
  lp_buf *out;
  /* Where the message begins in out->data, and where it ends so far. */
  size_t start, pos;
  /* How many bytes of w->protos->data count. */
  size_t protos;
  /* Stack index of the first value, and how many there are. */
  int first, n;
  /* How many levels of nesting the encoder is in. */
  int depth;
  /* Stack index of the map of names; 0 until the first object. */
  int names;
  /* The map of names has been made anew for this graph. */
  int rescanned;
  /* w->known, or 0 when nothing is in it. */
  int known;
  /* The address of the table of globals. */
  const void *globals;
  /* The innermost step. */
  const lp_step *path;
  /* LP_SEEN_FIRST places on the C stack, with which `seen` begins. */
  lp_place *places;
  lp_seen seen;
} lp_encoder;

/* Makes room for n bytes more behind e->pos. Raises. */
void lp_encode_grow(lp_encoder *e, size_t n);

/* Returns where n bytes can be written; the caller moves e->pos by what it has used. */
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

/* Goes one level deeper and makes the step the innermost one; comes back. */
void lp_encode_enter(lp_encoder *e, lp_step *step);
void lp_encode_leave(lp_encoder *e, const lp_step *step);

/* Marks the object whose tag stands at this offset as one that something refers to. */
static inline void lp_encode_share(lp_encoder *e, uint32_t at) {
  e->out->data[e->start + at] |= LP_TAG_SHARED;
}

/* Raises "cannot send <the way to the value>: <why>". In path.c. */
void lp_path_raise(lp_encoder *e, const char *why);

/* The same for a value that cannot travel, which it describes. */
void lp_path_refuse(lp_encoder *e, int index);

#endif
