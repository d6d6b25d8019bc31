/* pool/calls.h: the calls of a pool that have not ended: in line, or with a worker; and how
 * many have ended how.
 *
 * Every call ends exactly once, as done, failed, cancelled or lost. Layer: pool. Process: main.
 * Owner: the pool, which embeds it. */
#ifndef LP_POOL_CALLS_H
#define LP_POOL_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/list.h"
#include "runtime/pool/call.h"

/* Counted since the pool was made; each call ends in one of the last four. */
typedef struct lp_calls_counts {
  uint64_t submitted, done, failed, cancelled, lost;
  uint32_t pending, running;
} lp_calls_counts;

typedef struct lp_calls {
  lp_list pending;   /* calls in line, first in line first, */
  lp_list charged;   /* but those that have killed a worker: each runs in a worker of its own */
  lp_call **table;   /* calls by index */
  uint32_t *vacant;  /* unused indices of the table */
  uint32_t size;     /* of the table */
  uint32_t nvacant;  /* how many indices are unused */
  uint64_t numbered; /* calls that were given a number */
  lp_calls_counts counts;
} lp_calls;

/* The calls that are with one worker. The slot embeds it. */
typedef struct lp_load {
  lp_list calls;                         /* in the order in which they were sent */
  uint32_t count;                        /* their number */
  uint64_t turns;                        /* calls that were ever sent to this worker */
  void (*emptied)(struct lp_load *load); /* called when the last one has left */
} lp_load;

void lp_calls_open(lp_calls *calls);

/* Frees the table. No call is in it any more. */
void lp_calls_close(lp_calls *calls);

/* Puts a call in line and gives it a number; the table is a further holder of it until it has
 * ended. Returns 0 or LP_EMEMORY. */
int lp_calls_add(lp_calls *calls, lp_call *call);

/* The call of this number that has not ended, or NULL. */
lp_call *lp_calls_find(const lp_calls *calls, uint64_t number);

/* It has been sent to a worker. */
void lp_calls_sent(lp_call *call, lp_load *load);

/* It is first in line again: its worker has died, or has given it back. */
void lp_calls_requeue(lp_call *call);

/* Its worker has died: counts that for the call, which is `guilty` when it was on the CPU.
 * Returns whether it may run again: a guilty call `retries` times, its neighbours many times.
 * One that was not started may run at any rate: that is its first time. */
bool lp_calls_charge(lp_call *call, bool guilty, bool started, uint32_t retries);

/* The call ends in that state: it leaves its worker and the table, and its owner is told. */
void lp_calls_finish(lp_call *call, lp_call_state state);

/* Ends all calls in line. */
void lp_calls_finish_pending(lp_calls *calls, lp_call_state state);

/* Counts a call that cannot be sent: it has failed, its result is the error. */
void lp_calls_refuse(lp_calls *calls, lp_call *call);

/* Whether some call has not ended. */
static inline bool lp_calls_any(const lp_calls *calls) {
  return calls->counts.pending || calls->counts.running;
}

/* Whether each call has been counted once. False is an error of ours. */
static inline bool lp_calls_balanced(const lp_calls *calls) {
  const lp_calls_counts *c = &calls->counts;
  return c->submitted == c->pending + c->running + c->done + c->failed + c->cancelled + c->lost;
}

#endif
