/* pool/snapshot.h: the function of a map as it was when the map began: encoded once, sent once
 * to each worker, named by many calls. Layer: pool. Process: main. Owner: the map and each of
 * its calls. */
#ifndef LP_POOL_SNAPSHOT_H
#define LP_POOL_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

typedef struct lp_state lp_state;

typedef struct lp_snapshot {
  lp_state *st;
  uint32_t number;
  int holders;
  void (*dropped)(struct lp_snapshot *s); /* called with the last holder, before it is freed */
  void *owner;                            /* for `dropped` */
  uint32_t protos; /* how many numbers of prototypes and objects (see object.h) stand at the
                      start of `data`, before the bytes */
  size_t len;
  char data[];
} lp_snapshot;

/* Makes one with a copy of the bytes and one holder. NULL for want of memory. */
lp_snapshot *lp_snapshot_new(lp_state *st, const uint32_t *protos, uint32_t nprotos,
                             const char *bytes, size_t len);

/* One holder less. */
void lp_snapshot_release(lp_snapshot *s);

#endif
