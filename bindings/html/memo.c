/* bindings/html/memo.c: open addressing, at most half full. Layer: bindings. */
#include "bindings/html/memo.h"

#include "runtime/base/alloc.h"

static lpb_html_memo_entry *find(const lpb_html_memo *m, const void *node, intptr_t slot) {
  for (size_t i = (size_t)lpb_html_memo_hash(node, slot);; i++) {
    lpb_html_memo_entry *e = &m->entries[i & (m->size - 1)];
    if (!e->node || (e->node == node && e->slot == slot)) return e;
  }
}

bool lpb_html_memo_get(const lpb_html_memo *m, const void *node, intptr_t slot,
                       uint64_t *value) {
  if (m->used == 0) return false;
  const lpb_html_memo_entry *e = find(m, node, slot);
  if (!e->node) return false;
  *value = e->value;
  return true;
}

static bool grow(lpb_html_memo *m) {
  enum { FIRST = 64 };
  lpb_html_memo wider = {.size = m->size ? 2 * m->size : FIRST, .used = m->used};
  wider.entries = lp_alloc_new(wider.size * sizeof *wider.entries);
  if (!wider.entries) return false;
  for (size_t i = 0; i < m->size; i++) {
    lpb_html_memo_entry *e = &m->entries[i];
    if (e->node) *find(&wider, e->node, e->slot) = *e;
  }
  lp_alloc_free(m->entries);
  *m = wider;
  return true;
}

bool lpb_html_memo_set(lpb_html_memo *m, const void *node, intptr_t slot, uint64_t value) {
  if (2 * m->used >= m->size && !grow(m)) return false;
  lpb_html_memo_entry *e = find(m, node, slot);
  if (!e->node) m->used++;
  *e = (lpb_html_memo_entry){node, slot, value};
  return true;
}

void lpb_html_memo_close(lpb_html_memo *m) {
  lp_alloc_free(m->entries);
  *m = (lpb_html_memo){0};
}
