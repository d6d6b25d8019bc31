/* wire/format.h: the bytes of a graph.
 *
 * A value is a tag and what belongs to it; a message is values one after the other. An object
 * that is met again is written as the offset of its first tag in the message, which gets the
 * bit LP_TAG_SHARED then: only such objects need to be remembered by the reader. Sender and
 * receiver are one program on one machine: native byte order. Layer: wire, private to it.
 *
 *   INTEGER  varint, zigzag            NAME      varint length, name (see name.h)
 *   FLOAT    8 bytes                   TABLE     size byte, varint length, [metatable],
 *   STRING   varint length, bytes                values of 1, 2, 3.., END, keys and values, END
 *   REF      varint offset             FUNCTION  varint number of its prototype, or (INLINE) 4
 *   KNOWN    varint number                       bytes length and bytecode; upvalues, END
 *   CELL     (an upvalue) varint offset of a function, byte: which of its upvalues
 */
#ifndef LP_WIRE_FORMAT_H
#define LP_WIRE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/ipc/frame.h"

enum {
  LP_TAG_END,
  LP_TAG_NIL,
  LP_TAG_FALSE,
  LP_TAG_TRUE,
  LP_TAG_INTEGER,
  LP_TAG_FLOAT,
  LP_TAG_STRING,
  LP_TAG_GLOBALS,
  LP_TAG_REF,
  LP_TAG_CELL,

  /* These are objects; the two low bits are flags. */
  LP_TAG_KNOWN = 0x0c,
  LP_TAG_NAME = 0x10,
  LP_TAG_TABLE = 0x14,
  LP_TAG_FUNCTION = 0x18,
  LP_TAG_LAST = 0x1b,

  LP_TAG_SHARED = 1, /* flag: some REF or CELL names it */
  LP_TAG_META = 2,   /* flag of TABLE: a metatable follows */
  LP_TAG_INLINE = 2, /* flag of FUNCTION: bytecode follows */
  LP_TAG_FLAGS = 3,

  LP_TAG_SHORT = 0x40, /* + length: a string of up to 63 bytes */
  LP_TAG_SMALL = 0x80, /* + value: an integer of 0..127 */
};

enum {
  LP_WIRE_SHALLOW = 50,               /* so deep any stack is enough */
  LP_WIRE_DEPTH = 500,                /* levels of nesting: bounds the C stack, 0.2 MB */
  LP_WIRE_MAX = LP_FRAME_MAX - 65536, /* bytes; leaves room for a frame's own head */
  LP_VARINT_MAX = 10,                 /* bytes of the longest varint */
};

/* Writes v at p, returns the place behind it. */
static inline char *lp_format_put(char *p, uint64_t v) {
  for (; v >= 0x80; v >>= 7) *p++ = (char)(v | 0x80);
  *p++ = (char)v;
  return p;
}

/* Reads a varint at p; returns the place behind it, or NULL when it is damaged. */
static inline const char *lp_format_get(const char *p, const char *end, uint64_t *v) {
  *v = 0;
  for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
    unsigned char c = (unsigned char)*p++;
    *v |= (uint64_t)(c & 0x7f) << shift;
    if (c < 0x80) return p;
  }
  return NULL;
}

/* True when the value at offset `at` is a table by value, written there or referred to by a
 * REF: the rule by which both sides agree whether a metatable is to be recorded. */
static inline int lp_format_is_table(const char *bytes, const char *end, size_t at) {
  unsigned char tag = (unsigned char)bytes[at];
  if (tag == LP_TAG_REF) {
    uint64_t first;
    if (!lp_format_get(bytes + at + 1, end, &first) || first >= at) return 0;
    tag = (unsigned char)bytes[first];
  }
  return (tag & ~LP_TAG_FLAGS) == LP_TAG_TABLE;
}

#endif
