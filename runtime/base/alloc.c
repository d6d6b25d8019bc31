/* base/alloc.c: malloc behind one door; in the `tiny` build each n-th call fails. Layer: base.
 */
#include "runtime/base/alloc.h"

#include <stdbool.h>
#include <stdlib.h>

#ifdef LP_FAIL_ALLOC
static bool fails(void) {
  static long every = -1, count;
  if (every < 0) every = getenv("LUAPOOL_FAIL_ALLOC") ? atol(getenv("LUAPOOL_FAIL_ALLOC")) : 0;
  return every > 0 && ++count % every == 0;
}
#else
static inline bool fails(void) {
  return false;
}
#endif

void *lp_alloc_new(size_t n) {
  return fails() ? NULL : calloc(1, n);
}

void *lp_alloc_resize(void *p, size_t n) {
  return fails() ? NULL : realloc(p, n);
}

void lp_alloc_free(void *p) {
  free(p);
}

void *lp_alloc_lua(void *ud, void *p, size_t old_size, size_t new_size) {
  (void)ud;
  if (new_size == 0) {
    free(p);
    return NULL;
  }
  bool grows = p == NULL || new_size > old_size; /* Lua relies on shrinking never to fail */
  return grows && fails() ? NULL : realloc(p, new_size);
}
