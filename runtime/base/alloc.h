/* base/alloc.h: the one door to the heap.
 *
 * All of luapool's own memory comes from here, so that a test build can make each n-th
 * allocation fail (LUAPOOL_FAIL_ALLOC=n in the sanitized presets), or all from the n-th on
 * (LUAPOOL_FAIL_ALLOC=-n). Layer: base. */
#ifndef LP_BASE_ALLOC_H
#define LP_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* n zeroed bytes, or NULL. Free with lp_alloc_free. */
void *lp_alloc_new(size_t n);

/* As realloc: NULL when there is no memory, and then `p` is untouched. */
void *lp_alloc_resize(void *p, size_t n);

/* Gives memory back; NULL is fine. */
void lp_alloc_free(void *p);

/* The same for a block of Lua's: those that do not grow are never made to fail. */
void *lp_alloc_block(void *p, bool grows, size_t n);

#ifdef LP_FAIL_ALLOC
/* For tests: of the calls from now on the nth fails, and no other; 0: none. Returns how many
 * there were since this function was called last. */
long lp_alloc_fail(long nth);
#endif

#endif
