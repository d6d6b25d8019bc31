/* pool/snapshot.c: snapshots: memory, and telling workers to forget. Layer: pool. Process:
 * main. */
#include "runtime/pool/snapshot.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/pool/pool.h"
#include "runtime/pool/remote.h"
#include "runtime/pool/slot.h"

lp_snapshot *lp_snapshot_new(lp_pool *pool, const uint32_t *protos, uint32_t nprotos,
                             const char *bytes, size_t len) {
  size_t head = nprotos * sizeof *protos;
  lp_snapshot *s = lp_alloc_new(sizeof *s + head + len);
  if (!s) return NULL;
  s->pool = pool;
  pool->holders++;
  s->number = ++pool->snapshots;
  s->holders = 1;
  s->protos = nprotos;
  s->len = len;
  if (head) memcpy(s->data, protos, head);
  memcpy(s->data + head, bytes, len);
  return s;
}

void lp_snapshot_release(lp_snapshot *s) {
  lp_pool *pool = s->pool;
  if (--s->holders > 0) return;
  lp_list_each (link, &pool->members)
    lp_slot_forget(lp_list_of(link, lp_slot, member), s->number);
  lp_remote_unpin_all(pool->fleet->st, (const uint32_t *)s->data, s->protos);
  lp_alloc_free(s);
  lp_pool_release(pool);
}
