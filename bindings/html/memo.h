/* bindings/html/memo.h: what a query has found out about nodes, so that it asks nothing twice.
 *
 * A hash table from a node and a slot (which question it was) to a number. It lives as long as
 * one query, during which the tree does not change. Layer: bindings. Owner: lpb_html_match. */
#ifndef LPB_HTML_MEMO_H
#define LPB_HTML_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lpb_html_memo_entry {
  /* NULL: the entry is free. */
  const void *node;
  intptr_t slot;
  uint64_t value;
} lpb_html_memo_entry;

/* Zeroed, it is empty. */
typedef struct lpb_html_memo {
  lpb_html_memo_entry *entries;
  /* A power of two, or 0. */
  size_t size;
  size_t used;
} lpb_html_memo;

/* Bits that look random, though the addresses of nodes stand in rows. */
static inline uint64_t lpb_html_memo_hash(const void *node, intptr_t slot) {
  uint64_t h = ((uint64_t)(uintptr_t)node >> 3) + (uint64_t)slot * 0x9E3779B97F4A7C15;
  h = (h ^ h >> 31) * 0xD6E8FEB86659FD93;
  h = (h ^ h >> 32) * 0xD6E8FEB86659FD93;
  return h ^ h >> 32;
}

/* Is an answer known? Then it is in `value`. */
bool lpb_html_memo_get(const lpb_html_memo *m, const void *node, intptr_t slot,
                       uint64_t *value);

/* Sets an answer, also over another one. False when there is no memory. */
bool lpb_html_memo_set(lpb_html_memo *m, const void *node, intptr_t slot, uint64_t value);

/* Forgets all. Safe on a zeroed struct, safe twice. */
void lpb_html_memo_close(lpb_html_memo *m);

#endif
