/* pool/call.h: one task of a pool, as main sees it: what to send, where it is, how it ended.
 *
 * It has one holder, who made it, and the pool until it has ended; its bytes are kept until
 * then, so that it can run again when its worker dies. Layer: pool. Process: main. */
#ifndef LP_POOL_CALL_H
#define LP_POOL_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/list.h"
#include "runtime/pool/death.h"
#include "runtime/pool/snapshot.h"

typedef struct lp_pool lp_pool;

typedef enum {
  LP_CALL_PENDING, /* in line */
  LP_CALL_SENT,    /* with a worker */
  LP_CALL_DONE,    /* and the rest: ended */
  LP_CALL_FAILED,
  LP_CALL_CANCELLED,
  LP_CALL_DIED,  /* its worker died once too often: `death` says how */
  LP_CALL_STUCK, /* it was killed for being longer than its task_timeout, where nothing else
                    helped */
  LP_CALL_LOST,  /* the pool could not run it */
} lp_call_state;

typedef struct lp_call {
  lp_list link;
  lp_pool *pool;          /* that it was given to; for who asks why it was lost */
  lp_state *st;           /* NULL before it is submitted */
  struct lp_calls *calls; /* all calls of the pool */
  struct lp_load *load;   /* those of its worker, when it is sent; else NULL */
  uint64_t turn;          /* its place among the calls that this worker was ever sent */
  lp_snapshot *snapshot;
  uint64_t number; /* 1 + index in calls->table, and a generation above it */
  lp_call_state state;
  int holders;
  uint32_t wanted; /* the id of the worker that must run it, or 0 */
  uint32_t attempt;
  uint32_t crashes;                    /* deaths of its worker that it was charged with */
  uint32_t reruns;                     /* and those that it was not */
  bool cancelling;                     /* its worker has been told */
  void (*ended)(struct lp_call *call); /* may be NULL; called once, never raises */
  void *owner;                         /* for `ended`: */
  lp_list user;                        /* in a list of the owner */
  uint64_t place;                      /* of a map: which item */

  char *result; /* values, from the worker: in place of those to send, when they fit */
  size_t result_len;
  lp_death *death; /* of its worker; NULL for want of memory */

  uint32_t protos;
  size_t len, room; /* bytes to send, and that there are for a result */
  char data[];      /* `protos` numbers of prototypes and objects, then the values to send */
} lp_call;

/* A call with a copy of the bytes; one holder. NULL for want of memory. */
lp_call *lp_call_new(lp_snapshot *snapshot, const uint32_t *protos, uint32_t nprotos,
                     const char *bytes, size_t len);

void lp_call_release(lp_call *call);

/* Keeps a copy of what the worker has sent, for a call that ends with it. Returns 0 or
 * LP_EMEMORY. */
int lp_call_keep_result(lp_call *call, const char *bytes, size_t len);

static inline bool lp_call_ended(const lp_call *call) {
  return call->state >= LP_CALL_DONE;
}

static inline const uint32_t *lp_call_protos(const lp_call *call) {
  return (const uint32_t *)call->data;
}

static inline char *lp_call_bytes(lp_call *call) {
  return call->data + call->protos * sizeof(uint32_t);
}

#endif
