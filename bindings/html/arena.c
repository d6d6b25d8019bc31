/* bindings/html/arena.c: the memory and the time of one run of a library, with limits. Layer:
 * bindings. */
#include "bindings/html/arena.h"

#include <time.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

enum { BLOCK = 64 * 1024, SMALLEST = 5, CALLS_A_LOOK = 4096 };

typedef struct lpb_html_arena_block {
  struct lpb_html_arena_block *next;
} block;

/* What stands before each piece; its size keeps the piece aligned. */
typedef union header {
  unsigned size;
  max_align_t align;
} header;

static double cpu_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void lpb_html_arena_init(lpb_html_arena *a, size_t bytes, double seconds) {
  a->bytes_left = bytes;
  a->seconds = seconds;
  a->began = cpu_seconds();
  a->calls = 0;
  a->blocks = NULL;
  a->free_len = 0;
  for (int i = 0; i < LPB_HTML_ARENA_SIZES; i++) a->returned[i] = NULL;
}

/* Makes a block with room for a piece, from which further ones are cut. */
static void add_block(lpb_html_arena *a, size_t room) {
  size_t n = room > BLOCK ? room : BLOCK;
  if (n > a->bytes_left) longjmp(a->out, LP_ETOO_LARGE);
  block *b = lp_alloc_resize(NULL, sizeof(header) + n);
  if (!b) longjmp(a->out, LP_EMEMORY);
  a->bytes_left -= n;
  b->next = a->blocks;
  a->blocks = b;
  a->free = (char *)b + sizeof(header);
  a->free_len = n;
}

void *lpb_html_arena_alloc(void *arena, size_t n) {
  lpb_html_arena *a = arena;
  unsigned size = SMALLEST;
  if (++a->calls % CALLS_A_LOOK == 0 && cpu_seconds() - a->began > a->seconds)
    longjmp(a->out, LP_ETOO_LARGE);
  while (size < LPB_HTML_ARENA_SIZES - 1 && ((size_t)1 << size) < n + sizeof(header)) size++;
  header *h = a->returned[size];
  if (h) {
    a->returned[size] = *(void **)(h + 1);
    return h + 1;
  }
  size_t room = (size_t)1 << size;
  if (room > a->free_len) add_block(a, room);
  h = (header *)a->free;
  a->free += room;
  a->free_len -= room;
  h->size = size;
  return h + 1;
}

void lpb_html_arena_free(void *arena, void *p) {
  lpb_html_arena *a = arena;
  if (!p) return;
  header *h = (header *)p - 1;
  *(void **)p = a->returned[h->size];
  a->returned[h->size] = h;
}

void lpb_html_arena_close(lpb_html_arena *a) {
  while (a->blocks) {
    block *b = a->blocks;
    a->blocks = b->next;
    lp_alloc_free(b);
  }
}
