/* pool/snapshot.c: snapshots: memory. Layer: pool. Process: main. */
#include "runtime/pool/snapshot.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/pool/object.h"

lp_snapshot *lp_snapshot_new(lp_state *st, const uint32_t *protos, uint32_t nprotos,
                             const char *bytes, size_t len) {
  size_t head = nprotos * sizeof *protos;
  lp_snapshot *s = lp_alloc_new(sizeof *s + head + len);
  if (!s) return NULL;
  s->st = st;
  s->holders = 1;
  s->protos = nprotos;
  s->len = len;
  if (head) memcpy(s->data, protos, head);
  memcpy(s->data + head, bytes, len);
  return s;
}

void lp_snapshot_release(lp_snapshot *s) {
  if (--s->holders > 0) return;
  if (s->dropped) s->dropped(s);
  lp_object_unpin_all(s->st, (const uint32_t *)s->data, s->protos);
  lp_alloc_free(s);
}
