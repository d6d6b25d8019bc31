/* wire/function.c: writes a Lua function: its prototype, then its upvalues.
 *
 * An upvalue that several closures share is written with the first of them; the others name
 * that function and its place in it (CELL). Layer: wire. */
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/loop/raise.h"
#include "runtime/wire/encode.h"
#include "runtime/wire/proto.h"

static int append(lua_State *L, const void *bytes, size_t n, void *buf) {
  (void)L;
  return lp_buf_append(buf, bytes, n);
}

/* Dumps the function into the buffer from e->pos + skip on, and leaves e->pos where it is.
 * Returns the length. */
static size_t dump(lp_encoder *e, int index, size_t skip) {
  lp_buf *out = e->out;
  size_t len = out->len;
  lp_encode_room(e, skip);
  lua_pushvalue(e->L, index);
  out->len = e->pos + skip;
  int rc = lua_dump(e->L, append, out, 0);
  size_t n = out->len - e->pos - skip;
  out->len = len;
  lua_pop(e->L, 1);
  if (rc != 0) lp_raise_code(e->L, LP_EMEMORY, NULL);
  if (e->pos - e->start + skip + n > LP_WIRE_MAX) {
    lp_path_raise(e, "more than 1 GiB in one message");
  }
  return n;
}

/* Writes the bytecode in place. */
static void put_bytecode(lp_encoder *e, int index) {
  enum { HEAD = 1 + sizeof(uint32_t) };
  uint32_t n = (uint32_t)dump(e, index, HEAD);
  char *p = e->out->data + e->pos;
  *p = LP_TAG_FUNCTION | LP_TAG_INLINE;
  memcpy(p + 1, &n, sizeof(n));
  e->pos += HEAD + n;
}

/* Adds a prototype's number to those that the receiver must know. */
static void require_proto(lp_encoder *e, uint32_t number) {
  lp_buf *list = e->w->protos;
  for (size_t i = 0; i < e->protos; i += sizeof(number)) {
    if (memcmp(list->data + i, &number, sizeof(number)) == 0) return;
  }
  size_t len = list->len;
  list->len = e->protos;
  int rc = lp_buf_append(list, &number, sizeof(number));
  list->len = len;
  if (rc < 0) lp_raise_code(e->L, rc, NULL);
  e->protos += sizeof(number);
}

static void put_proto(lp_encoder *e, int index) {
  uint32_t number = lp_proto_cached(e->L, index);
  if (!number) {
    size_t n = dump(e, index, 0);
    number = lp_proto_number(e->L, index, e->out->data + e->pos, n);
  }
  require_proto(e, number);
  lp_encode_tag(e, LP_TAG_FUNCTION, number);
}

/* Writes the upvalue whose value is on top of the stack. */
static void put_upvalue(lp_encoder *e, const lp_step *step, uint32_t function) {
  void *cell = lua_upvalueid(e->L, step->index, step->upvalue);
  lp_place *place = lp_seen_at(e->L, &e->seen, cell);
  if (place->at == LP_SEEN_NEW) {
    place->at = function;
    place->upvalue = (uint8_t)step->upvalue;
    lp_encode_value(e, lua_gettop(e->L));
    return;
  }
  uint8_t upvalue = place->upvalue;
  lp_encode_share(e, place->at);
  lp_encode_tag(e, LP_TAG_CELL, place->at);
  *lp_encode_room(e, 1) = (char)upvalue;
  e->pos++;
}

void lp_function_encode(lp_encoder *e, int index) {
  uint32_t at = (uint32_t)(e->pos - e->start);
  lp_step step = {.kind = LP_STEP_UPVALUE, .index = index};
  lp_encode_enter(e, &step);
  if (e->w->protos)
    put_proto(e, index);
  else
    put_bytecode(e, index);
  if (e->w->record) lp_graph_enter(e->L, e->w->known, index);
  for (step.upvalue = 1; lua_getupvalue(e->L, index, step.upvalue); step.upvalue++) {
    put_upvalue(e, &step, at);
    lua_pop(e->L, 1);
  }
  *lp_encode_room(e, 1) = LP_TAG_END;
  e->pos++;
  lp_encode_leave(e, &step);
}
