/* base/heap.c: pages of blocks of one size. What is known of a page stands at the beginning of
 * its chunk, which is aligned, so that a block finds it. A page counts its blocks: an empty one
 * can serve another size or go back to the system. Layer: base. */
#include "runtime/base/heap.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/alloc.h"

enum {
  STEP = 16,
  SMALL = 1024,
  PAGE = 64 << 10,
  PAGES = 64, /* of a chunk */
  CHUNK = PAGES * PAGE,
  FEW = 16,  /* so many more pages may be held than are in use */
  SPARE = 32 /* pages of a chunk that is kept for the next heap */
};

/* The bytes of a block of each rank. A runtime that has just been opened needs a page of the
 * system for each rank that it uses, so there are fewer of the large ones, but for those that
 * each task has. */
static const uint16_t SIZES[LP_HEAP_RANKS] = {16,  32,  48,  64,  80,  96,  112, 128, 144, 160,
                                              192, 208, 224, 256, 288, 320, 352, 384, 416, 448,
                                              480, 512, 544, 576, 608, 640, 672, 704, 720, 768,
                                              800, 832, 864, 896, 928, 960, 992, 1024};

/* The smallest rank for each number of steps: 16, 32, 48 … bytes. */
static const unsigned char RANKS[SMALL / STEP] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 10, 11, 12, 13, 13, 14, 14, 15, 15, 16, 16,
    17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 23, 23, 24, 24, 25, 25, 26, 26, 27, 27,
    28, 29, 29, 29, 30, 30, 31, 31, 32, 32, 33, 33, 34, 34, 35, 35, 36, 36, 37, 37};

typedef struct page {
  lp_list link;                    /* in rooms, held or cold; in none when it is full */
  void **free;                     /* blocks that were given back, each points to the next */
  char *rest;                      /* from here on never used */
  uint16_t rank, size, live, most; /* bytes of a block; blocks in use, in all */
} page;

struct lp_heap_chunk {
  lp_heap_chunk *next;
  unsigned used;     /* pages that were ever used */
  page pages[PAGES]; /* the chunk itself stands in the first */
};

/* Kept out of the way of what runs for each block. */
#define SELDOM __attribute__((noinline))

/* In the sanitized builds each block is malloc's own. */
static bool is_small(size_t size) {
#ifdef LP_FAIL_ALLOC
  (void)size;
  return false;
#else
  return size <= SMALL;
#endif
}

static unsigned rank_of(size_t size) {
  return RANKS[(size - 1) / STEP];
}

static lp_heap_chunk *chunk_of(const void *p) {
  return (lp_heap_chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
}

static page *page_of(const void *block) {
  return &chunk_of(block)->pages[((uintptr_t)block & (CHUNK - 1)) / PAGE];
}

static char *memory_of(const page *p) {
  lp_heap_chunk *c = chunk_of(p);
  return (char *)c + (p - c->pages) * PAGE;
}

/* ---- pages ---- */

/* A chunk that a heap of this process had. */
static _Atomic(lp_heap_chunk *) spare;

static void drop_chunk(lp_heap_chunk *c) {
  if (c) munmap(c, CHUNK);
}

/* The library may be unloaded. */
__attribute__((destructor)) static void drop_spare(void) {
  drop_chunk(atomic_exchange(&spare, NULL));
}

static void keep_chunk(lp_heap_chunk *c) {
  drop_chunk(c->used <= SPARE ? atomic_exchange(&spare, c) : c);
}

/* An aligned chunk, cut out of twice as much. */
static lp_heap_chunk *map_chunk(void) {
  char *p = mmap(NULL, 2 * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  lp_heap_chunk *c = chunk_of(p + CHUNK - 1);
  size_t before = (size_t)((char *)c - p);
  if (before) munmap(p, before);
  munmap((char *)c + CHUNK, CHUNK - before);
  return c;
}

static lp_heap_chunk *add_chunk(lp_heap *h) {
  lp_heap_chunk *c = h->chunks ? NULL : atomic_exchange(&spare, NULL);
  if (!c && !(c = map_chunk())) return NULL;
  if (h->chunks) madvise(c, CHUNK, MADV_HUGEPAGE); /* a small heap pays for none */
  c->used = 1;
  c->next = h->chunks;
  return h->chunks = c;
}

static page *any_page(lp_heap *h) {
  lp_list *link = lp_list_shift(&h->held);
  if (link) h->held_count--;
  if (!link) link = lp_list_shift(&h->cold);
  if (link) return lp_list_of(link, page, link);
  lp_heap_chunk *c = h->chunks;
  if ((!c || c->used == PAGES) && !(c = add_chunk(h))) return NULL;
  return &c->pages[c->used++];
}

SELDOM static page *add_page(lp_heap *h, unsigned rank) {
  page *p = any_page(h);
  if (!p) return NULL;
  h->busy_count++;
  p->free = NULL;
  p->rest = memory_of(p);
  p->rank = (uint16_t)rank;
  p->size = SIZES[rank];
  p->live = 0;
  p->most = (uint16_t)(PAGE / p->size);
  lp_list_push(&h->rooms[rank], &p->link);
  return p;
}

/* The collector lets the heap grow to twice of what lives: so much comes and goes without the
 * system. */
SELDOM static void put_away(lp_heap *h, page *p) {
  lp_list_remove(&p->link);
  lp_list_unshift(&h->held, &p->link);
  h->held_count++;
  h->busy_count--;
  for (; h->held_count > h->busy_count + FEW; h->held_count--) {
    lp_list *link = lp_list_shift(&h->held);
    madvise(memory_of(lp_list_of(link, page, link)), PAGE, MADV_DONTNEED);
    lp_list_push(&h->cold, link);
  }
}

/* ---- the limit ---- */

static size_t reserve_of(const lp_heap *h) {
  return h->limit / 16;
}

/* What may be in use in all until the next look. */
static void allow(lp_heap *h, size_t bytes) {
  h->most = bytes > h->native ? bytes - h->native : 0;
}

void lp_heap_set_limit(lp_heap *h, size_t limit) {
  h->limit = limit;
  h->tight = false;
  if (limit)
    allow(h, limit - reserve_of(h));
  else
    h->most = SIZE_MAX;
}

/* Looks at an allocation by which h->most would be passed. */
SELDOM static bool admit(lp_heap *h, size_t more) {
  size_t all = h->used + h->native + more, reserve = reserve_of(h);
  bool fits = all <= h->limit;
  if (all > h->limit - reserve) {
    h->tight = true;
    size_t next = fits ? all + reserve / 4 : h->limit;
    allow(h, next < h->limit ? next : h->limit);
    if (h->on_tight) h->on_tight(h, !fits);
  } else {
    allow(h, h->limit - reserve);
  }
  return fits;
}

static inline bool fits(lp_heap *h, size_t old, size_t size) {
  return size <= old || h->used + (size - old) <= h->most || admit(h, size - old);
}

/* Half of the reserve more than that must be free, or it would be begun again at once. */
bool lp_heap_relax(lp_heap *h) {
  if (!h->tight) return true;
  size_t reserve = reserve_of(h), all = h->used + h->native;
  h->tight = all > h->limit - reserve - reserve / 2;
  if (!h->tight)
    allow(h, h->limit - reserve);
  else if (all + reserve / 4 < h->limit)
    allow(h, all + reserve / 4);
  return !h->tight;
}

void lp_heap_settle(lp_heap *h, size_t from, size_t to) {
  size_t most = h->most + from;
  h->native = h->native - from + to;
  if (h->limit) h->most = most > to ? most - to : 0;
}

bool lp_heap_charge(lp_heap *h, size_t n) {
  bool ok = fits(h, 0, n);
  if (ok) lp_heap_settle(h, 0, n);
  return ok;
}

void lp_heap_discharge(lp_heap *h, size_t n) {
  lp_heap_settle(h, n, 0);
}

size_t lp_heap_room(const lp_heap *h) {
  if (!h->limit) return SIZE_MAX;
  size_t all = h->used + h->native;
  return all < h->limit ? h->limit - all : 0;
}

/* ---- blocks ---- */

static void *take(lp_heap *h, size_t size) {
  unsigned rank = rank_of(size);
  lp_list *room = h->rooms[rank].next;
  page *p = room != &h->rooms[rank] ? lp_list_of(room, page, link) : add_page(h, rank);
  if (!p) return NULL;
  void **block = p->free;
  if (block) {
    p->free = *block;
  } else {
    block = (void **)p->rest;
    p->rest += p->size;
  }
  if (++p->live == p->most) lp_list_remove(&p->link);
  return block;
}

static void give(lp_heap *h, void **block) {
  page *p = page_of(block);
  *block = p->free;
  p->free = block;
  if (p->live-- == p->most) lp_list_push(&h->rooms[p->rank], &p->link);
  if (p->live == 0) put_away(h, p);
}

/* A block that Lua takes for small lies in a page, but for strays. */
static bool in_page(const lp_heap *h, const void *block, size_t size) {
  if (!is_small(size) || h->strays == 0) return is_small(size);
  for (const lp_heap_chunk *c = h->chunks; c; c = c->next)
    if (c == chunk_of(block)) return true;
  return false;
}

static void *add(lp_heap *h, size_t size) {
  if (!fits(h, 0, size)) return NULL;
  void *block = is_small(size) ? take(h, size) : lp_alloc_block(NULL, true, size);
  if (block) h->used += size;
  return block;
}

static void drop(lp_heap *h, void *p, size_t size) {
  h->used -= size;
  if (in_page(h, p, size)) {
    if (!h->leaving) give(h, p);
    return;
  }
  if (is_small(size)) h->strays--;
  lp_alloc_free(p);
}

static void *move(lp_heap *h, void *p, size_t old, size_t size) {
  void *fresh = is_small(size) ? take(h, size) : lp_alloc_block(NULL, size > old, size);
  if (fresh) {
    h->used += size;
    memcpy(fresh, p, size < old ? size : old);
    drop(h, p, old);
  } else if (size < old) { /* Lua relies on shrinking never to fail */
    h->used -= old - size;
    if (!is_small(old)) h->strays++;
    return p;
  }
  return fresh;
}

static void *resize(lp_heap *h, void *p, size_t old, size_t size) {
  if (!fits(h, old, size)) return NULL;
  bool stays = in_page(h, p, old) && is_small(size) && rank_of(size) == page_of(p)->rank;
  if (!stays && (is_small(size) || is_small(old))) return move(h, p, old, size);
  void *block = stays ? p : lp_alloc_block(p, size > old, size);
  if (block) h->used += size - old;
  return block;
}

static void *in_pages(void *ud, void *p, size_t old_size, size_t new_size) {
  if (!p) return new_size ? add(ud, new_size) : NULL;
  if (new_size) return resize(ud, p, old_size, new_size);
  drop(ud, p, old_size);
  return NULL;
}

/* Lua tells the kind of a new object in place of its size. A block that is to shrink and that
 * the host does not shrink stays as it is: Lua relies on that never to fail. */
static void *at_host(void *ud, void *p, size_t old_size, size_t new_size) {
  lp_heap *h = ud;
  size_t old = p ? old_size : 0;
  if (!fits(h, old, new_size)) return NULL;
  void *block = h->source(h->user, p, old_size, new_size);
  if (!block && new_size > 0 && new_size <= old) block = p;
  if (block || new_size == 0) h->used += new_size - old;
  return block;
}

lp_heap_source *lp_heap_function(const lp_heap *h) {
  return h->source ? at_host : in_pages;
}

void lp_heap_open(lp_heap *h, lp_heap_source *source, void *user) {
  memset(h, 0, sizeof *h);
  h->source = source;
  h->user = user;
  h->most = SIZE_MAX;
  for (int i = 0; i < LP_HEAP_RANKS; i++) lp_list_init(&h->rooms[i]);
  lp_list_init(&h->held);
  lp_list_init(&h->cold);
}

void lp_heap_leave(lp_heap *h) {
  h->leaving = true;
}

void lp_heap_close(lp_heap *h) {
  for (lp_heap_chunk *c; (c = h->chunks);) {
    h->chunks = c->next;
    keep_chunk(c);
  }
}
