/* bindings/html/arena.h: the memory and the time of one run of a library, with limits.
 *
 * All that the library allocates goes back at once when the arena is closed, so it can be left
 * in the middle: when a limit is passed, the arena jumps out of it. Layer: bindings. Owner:
 * whoever holds the struct. */
#ifndef LPB_HTML_ARENA_H
#define LPB_HTML_ARENA_H

#include <setjmp.h>
#include <stddef.h>

enum { LPB_HTML_ARENA_SIZES = 40 };

typedef struct lpb_html_arena {
  /* Where the arena jumps to, with LP_EMEMORY or LP_ETOO_LARGE, which setjmp returns. */
  jmp_buf out;
  /* What the run may allocate and how much CPU time it may take. */
  size_t bytes_left;
  double seconds;
  /* The thread's CPU time at which the run began. */
  double began;
  unsigned calls;
  /* All blocks of memory, newest first; pieces are cut from the newest. */
  struct lpb_html_arena_block *blocks;
  char *free;
  size_t free_len;
  /* Pieces that came back, by the logarithm of their size. */
  void *returned[LPB_HTML_ARENA_SIZES];
} lpb_html_arena;

/* Begins a run. The caller then sets `out`, before the first allocation. */
void lpb_html_arena_init(lpb_html_arena *a, size_t bytes, double seconds);

/* Allocates and gives back, as Gumbo calls it. */
void *lpb_html_arena_alloc(void *arena, size_t n);
void lpb_html_arena_free(void *arena, void *p);

/* Gives all memory back. Safe twice. */
void lpb_html_arena_close(lpb_html_arena *a);

#endif
