/* base/alloc.c: malloc behind one door; in the sanitized builds some calls fail. Layer: base.
 */
#include "runtime/base/alloc.h"

#include <stdlib.h>
#include <string.h>

#ifdef LP_FAIL_ALLOC
static bool fails(void) {
  static long setting, count;
  if (count++ == 0 && getenv("LUAPOOL_FAIL_ALLOC"))
    setting = atol(getenv("LUAPOOL_FAIL_ALLOC"));
  return setting > 0 ? count % setting == 0 : setting < 0 && count >= -setting;
}
#else
static inline bool fails(void) {
  return false;
}
#endif

/* glibc's calloc passes the thread's cache of small blocks by, which makes it several times
 * slower there; for large ones it knows that fresh pages are zero. `volatile`: of malloc and
 * memset the compiler would make calloc again. */
static void *(*const volatile plain)(size_t) = malloc;

void *lp_alloc_new(size_t n) {
  if (fails()) return NULL;
  if (n > 4096) return calloc(1, n);
  void *p = plain(n);
  return p ? memset(p, 0, n) : NULL;
}

void *lp_alloc_resize(void *p, size_t n) {
  return fails() ? NULL : realloc(p, n);
}

void lp_alloc_free(void *p) {
  free(p);
}

void *lp_alloc_block(void *p, bool grows, size_t n) {
  return grows && fails() ? NULL : realloc(p, n);
}
