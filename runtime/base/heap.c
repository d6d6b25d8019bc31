/* base/heap.c: pages of blocks of one size. A page is aligned, so that a block finds it; it
 * counts its blocks, so that an empty one can serve another size or go back to the system.
 * Layer: base. */
#include "runtime/base/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/base/alloc.h"

enum {
  STEP = 16,
  SMALL = LP_HEAP_CLASSES * STEP,
  PAGE = 32 << 10,
  KEPT = 4 << 10,  /* of a cold page: its header, in one of the system's pages */
  FEW = 32,        /* so many more pages may be held than are in use */
  CHUNK_LEAST = 8, /* pages */
  CHUNK_MOST = 1 << 10
};

typedef struct page {
  lp_list link; /* in rooms, held or cold; in none when it is full */
  void *free;   /* blocks that were given back, each points to the next */
  uint16_t class, live, touched, most; /* blocks: in use, ever used, in all */
} page;

enum { HEAD = (sizeof(page) + STEP - 1) / STEP * STEP };

struct lp_heap_chunk {
  lp_heap_chunk *next;
  void *base;
  size_t len;
  char *first, *rest, *end; /* pages; from `rest` on never used */
  size_t pages;             /* of this and all earlier chunks */
};

/* In the sanitized builds each block is malloc's own. */
static bool is_small(size_t size) {
#ifdef LP_FAIL_ALLOC
  (void)size;
  return false;
#else
  return size <= SMALL;
#endif
}

static unsigned class_of(size_t size) {
  return (unsigned)((size - 1) / STEP);
}

static page *page_of(const void *block) {
  return (page *)((uintptr_t)block & ~(uintptr_t)(PAGE - 1));
}

/* ---- pages ---- */

static void *map(size_t *pages) {
  for (; *pages > 0; *pages /= 2) {
    size_t len = (*pages + 1) * PAGE; /* one more, to align them */
    void *base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base != MAP_FAILED) return base;
  }
  return NULL;
}

/* Each chunk is as large as all before, within bounds. */
static lp_heap_chunk *add_chunk(lp_heap *h) {
  size_t all = h->chunks ? h->chunks->pages : 0;
  size_t pages = all < CHUNK_LEAST ? CHUNK_LEAST : all < CHUNK_MOST ? all : CHUNK_MOST;
  lp_heap_chunk *c = lp_alloc_new(sizeof *c);
  if (!c) return NULL;
  c->base = map(&pages);
  if (!c->base) {
    lp_alloc_free(c);
    return NULL;
  }
  c->len = (pages + 1) * PAGE;
  c->first = c->rest = (char *)page_of((char *)c->base + PAGE - 1);
  c->end = c->first + pages * PAGE;
  c->pages = all + pages;
  c->next = h->chunks;
  return h->chunks = c;
}

static page *any_page(lp_heap *h) {
  lp_list *link = lp_list_shift(&h->held);
  if (link) h->held_count--;
  if (!link) link = lp_list_shift(&h->cold);
  if (link) return lp_list_of(link, page, link);
  lp_heap_chunk *c = h->chunks;
  if ((!c || c->rest == c->end) && !(c = add_chunk(h))) return NULL;
  page *p = (page *)c->rest;
  c->rest += PAGE;
  return p;
}

static page *add_page(lp_heap *h, unsigned class) {
  page *p = any_page(h);
  if (!p) return NULL;
  h->busy_count++;
  p->free = NULL;
  p->class = (uint16_t) class;
  p->live = p->touched = 0;
  p->most = (uint16_t)((PAGE - HEAD) / ((class + 1) * STEP));
  lp_list_push(&h->rooms[class], &p->link);
  return p;
}

/* The collector lets the heap grow to twice of what lives: so much comes and goes without the
 * system. */
static void put_away(lp_heap *h, page *p) {
  lp_list_remove(&p->link);
  lp_list_unshift(&h->held, &p->link);
  h->held_count++;
  h->busy_count--;
  for (; h->held_count > h->busy_count + FEW; h->held_count--) {
    lp_list *link = lp_list_shift(&h->held);
    madvise((char *)lp_list_of(link, page, link) + KEPT, PAGE - KEPT, MADV_DONTNEED);
    lp_list_push(&h->cold, link);
  }
}

/* ---- blocks ---- */

static void *take(lp_heap *h, size_t size) {
  unsigned class = class_of(size);
  lp_list *room = h->rooms[class].next;
  page *p = room != &h->rooms[class] ? lp_list_of(room, page, link) : add_page(h, class);
  if (!p) return NULL;
  void *block = p->free;
  if (block)
    memcpy(&p->free, block, sizeof p->free);
  else
    block = (char *)p + HEAD + (size_t)p->touched++ * (class + 1) * STEP;
  if (++p->live == p->most) lp_list_remove(&p->link);
  return block;
}

static void give(lp_heap *h, void *block) {
  if (h->leaving) return;
  page *p = page_of(block);
  memcpy(block, &p->free, sizeof p->free);
  p->free = block;
  if (p->live-- == p->most) lp_list_push(&h->rooms[p->class], &p->link);
  if (p->live == 0) put_away(h, p);
}

/* A block that Lua takes for small lies in a page, but for strays. */
static bool in_page(const lp_heap *h, const void *block, size_t size) {
  if (!is_small(size) || h->strays == 0) return is_small(size);
  for (const lp_heap_chunk *c = h->chunks; c; c = c->next)
    if ((const char *)block >= c->first && (const char *)block < c->end) return true;
  return false;
}

static void drop(lp_heap *h, void *p, size_t size) {
  if (in_page(h, p, size)) {
    give(h, p);
    return;
  }
  if (is_small(size)) h->strays--;
  lp_alloc_free(p);
}

static void *resize(lp_heap *h, void *p, size_t old, size_t size) {
  bool paged = in_page(h, p, old), grows = size > old;
  if (paged && is_small(size) && class_of(size) == page_of(p)->class) return p;
  if (!is_small(size) && !is_small(old)) return lp_alloc_block(p, grows, size);
  void *fresh = is_small(size) ? take(h, size) : lp_alloc_block(NULL, grows, size);
  if (!fresh && !grows) { /* Lua relies on shrinking never to fail */
    if (!paged && !is_small(old)) h->strays++;
    return p;
  }
  if (!fresh) return NULL;
  memcpy(fresh, p, grows ? old : size);
  drop(h, p, old);
  return fresh;
}

void *lp_heap_alloc(void *ud, void *p, size_t old_size, size_t new_size) {
  lp_heap *h = ud;
  size_t old = p ? old_size : 0;
  if (new_size == 0) {
    if (p) drop(h, p, old);
    h->used -= old;
    return NULL;
  }
  bool grows = new_size > old;
  if (grows && h->limit && h->used - old + new_size > h->limit) return NULL;
  void *block = p                    ? resize(h, p, old, new_size)
                : is_small(new_size) ? take(h, new_size)
                                     : lp_alloc_block(NULL, true, new_size);
  if (block) h->used += new_size - old;
  return block;
}

void lp_heap_open(lp_heap *h) {
  memset(h, 0, sizeof *h);
  for (int i = 0; i < LP_HEAP_CLASSES; i++) lp_list_init(&h->rooms[i]);
  lp_list_init(&h->held);
  lp_list_init(&h->cold);
}

void lp_heap_leave(lp_heap *h) {
  h->leaving = true;
}

void lp_heap_close(lp_heap *h) {
  for (lp_heap_chunk *c; (c = h->chunks);) {
    h->chunks = c->next;
    munmap(c->base, c->len);
    lp_alloc_free(c);
  }
}
