/* pool/call.c: calls: memory only; the pool moves them. Layer: pool. Process:
 * main. */
#include "runtime/pool/call.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/pool/object.h"

enum { SMALL = 32 }; /* bytes: most results are no longer */

lp_call *lp_call_new(lp_snapshot *snapshot, const uint32_t *protos, uint32_t nprotos,
                     const char *bytes, size_t len) {
  size_t head = nprotos * sizeof *protos;
  size_t room = len > SMALL ? len : SMALL;
  lp_call *call = lp_alloc_new(sizeof *call + head + room);
  if (!call) return NULL;
  lp_list_init(&call->link);
  lp_list_init(&call->user);
  call->holders = 1;
  call->snapshot = snapshot;
  if (snapshot) snapshot->holders++;
  call->protos = nprotos;
  call->len = len;
  call->room = room;
  if (head) memcpy(call->data, protos, head);
  if (len) memcpy(call->data + head, bytes, len);
  return call;
}

void lp_call_release(lp_call *call) {
  if (--call->holders > 0) return;
  if (call->st) lp_object_unpin_all(call->st, lp_call_protos(call), call->protos);
  if (call->snapshot) lp_snapshot_release(call->snapshot);
  if (call->result != lp_call_bytes(call)) lp_alloc_free(call->result);
  lp_death_free(call->death);
  lp_alloc_free(call);
}

int lp_call_keep_result(lp_call *call, const char *bytes, size_t len) {
  call->result = len <= call->room ? lp_call_bytes(call) : lp_alloc_resize(NULL, len);
  if (!call->result) return LP_EMEMORY;
  memcpy(call->result, bytes, len);
  call->result_len = len;
  return 0;
}
