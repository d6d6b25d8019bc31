/* base/heap.h: the memory of a Lua state.
 *
 * Lua has very many small blocks and tells the size of each when it gives it back, so small
 * ones lie side by side in pages of one size, with nothing between them: a tenth less memory
 * than malloc takes, and a fraction of its time. Larger ones are malloc's. Layer: base. Owner:
 * lp_state. */
#ifndef LP_BASE_HEAP_H
#define LP_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/list.h"

enum { LP_HEAP_RANKS = 38 }; /* sizes of small blocks: 16, 32, 48 … 1024 bytes */

typedef struct lp_heap_chunk lp_heap_chunk;

/* An allocator of the host: it has the type of lua_Alloc. */
typedef void *lp_heap_source(void *user, void *p, size_t old_size, size_t new_size);

typedef struct lp_heap lp_heap;

struct lp_heap {
  size_t used;   /* bytes of Lua in use */
  size_t native; /* bytes that libraries hold for scripts */
  size_t most;   /* `used` may grow to so much without a further look */
  size_t limit;  /* how many bytes both may be together; 0: as many as there are */
  /* The reserve below the limit has been begun: see lp_heap_set_limit. */
  bool tight;
  /* Called when the reserve is begun, again for each further quarter of it, and with `failed`
   * when the limit has refused an allocation. It runs within an allocation of Lua. May be NULL.
   */
  void (*on_tight)(lp_heap *h, bool failed);
  lp_list rooms[LP_HEAP_RANKS];  /* of each size the pages that have a free block */
  lp_list held, cold;            /* empty pages; the system has the memory of cold ones */
  size_t busy_count, held_count; /* pages: in use, held */
  lp_heap_chunk *chunks;         /* of many pages each, the latest first */
  size_t strays;          /* small blocks of malloc's, when there was no page to shrink into */
  bool leaving;           /* all goes at once: small blocks are not collected */
  lp_heap_source *source; /* of the host, in place of pages and malloc; or NULL */
  void *user;             /* its first argument */
};

/* Opens a heap; `source` is the allocator of the host, or NULL. */
void lp_heap_open(lp_heap *h, lp_heap_source *source, void *user);

/* Sets the limit. When it refuses an allocation, Lua collects all garbage at once, however long
 * that takes, and tries again. So that this is rare, the last sixteenth is a reserve: who
 * allocates there gets the memory, and `on_tight` is told, which can do something sooner. */
void lp_heap_set_limit(lp_heap *h, size_t limit);

/* Garbage was collected. Returns true when memory is not tight, or not any more. */
bool lp_heap_relax(lp_heap *h);

/* The allocator for lua_newstate, whose first argument is the lp_heap. */
lp_heap_source *lp_heap_function(const lp_heap *h);

/* Counts n bytes that a library allocates elsewhere; false when that is above the limit. */
bool lp_heap_charge(lp_heap *h, size_t n);

/* The library has given them back. */
void lp_heap_discharge(lp_heap *h, size_t n);

/* A library holds `to` bytes now where it held `from`, whatever the limit. */
void lp_heap_settle(lp_heap *h, size_t from, size_t to);

/* How many more bytes fit; SIZE_MAX without a limit. Threads may be told it. */
size_t lp_heap_room(const lp_heap *h);

/* What is given back from now on is kept for lp_heap_close: before lua_close. */
void lp_heap_leave(lp_heap *h);

/* Gives all pages back; the process keeps those of a small heap for the next one, as its system
 * takes longer to give pages than a runtime takes to open. Safe on a zeroed struct, safe twice.
 */
void lp_heap_close(lp_heap *h);

#endif
