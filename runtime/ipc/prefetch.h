/* ipc/prefetch.h: which of the items that main has sent ahead to a worker have no taker yet.
 *
 * Items are numbered from 0 in the order in which they are sent; numbers wrap at 2^32. One word
 * of memory that both processes share holds how many were sent and how many were taken. A task
 * of the worker takes the first item, and main takes it back for somebody else, by the same
 * atomic step on that word: each item has exactly one taker, whichever process dies when.
 * Layer: ipc. Process: both. Owner: lp_shared. */
#ifndef LP_IPC_PREFETCH_H
#define LP_IPC_PREFETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Zeroed: nothing was sent. */
typedef struct lp_prefetch {
  /* The upper half counts the items sent, the lower half those taken. Only main adds to the
   * upper half. */
  _Atomic uint64_t word;
  /* How many items tasks of the worker have finished. Only the worker writes it. */
  _Atomic uint32_t finished;
} lp_prefetch;

/* How many items were sent. */
static inline uint32_t lp_prefetch_sent(const lp_prefetch *p) {
  return (uint32_t)(atomic_load(&p->word) >> 32);
}

/* How many items have no taker. */
static inline uint32_t lp_prefetch_left(const lp_prefetch *p) {
  uint64_t word = atomic_load(&p->word);
  return (uint32_t)(word >> 32) - (uint32_t)word;
}

/* Main has sent `n` more items. */
static inline void lp_prefetch_send(lp_prefetch *p, uint32_t n) {
  atomic_fetch_add(&p->word, (uint64_t)n << 32);
}

/* Sets the number of the first item that has no taker; false when there is none. */
static inline bool lp_prefetch_first(const lp_prefetch *p, uint32_t *number) {
  uint64_t word = atomic_load(&p->word);
  *number = (uint32_t)word;
  return (uint32_t)(word >> 32) != (uint32_t)word;
}

/* Takes the item that was the first without a taker; false when somebody else was faster. */
static inline bool lp_prefetch_take(lp_prefetch *p, uint32_t number) {
  uint64_t word = atomic_load(&p->word);
  if ((uint32_t)word != number || (uint32_t)(word >> 32) == number) return false;
  uint64_t next = (word >> 32 << 32) | (uint32_t)(number + 1);
  return atomic_compare_exchange_strong(&p->word, &word, next);
}

#endif
