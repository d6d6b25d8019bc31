/* base/alloc.c: malloc behind one door; in the sanitized builds some calls fail. Layer: base.
 */
#include "runtime/base/alloc.h"

#include <stdlib.h>
#include <string.h>

#ifdef LP_FAIL_ALLOC
static struct {
  bool chosen;         /* by lp_alloc_fail, and not by the environment */
  long setting, count; /* as LUAPOOL_FAIL_ALLOC; calls so far */
} failing;

static bool fails(void) {
  long n = ++failing.count, setting;
  if (failing.chosen) return n == failing.setting;
  if (n == 1 && getenv("LUAPOOL_FAIL_ALLOC"))
    failing.setting = atol(getenv("LUAPOOL_FAIL_ALLOC"));
  setting = failing.setting;
  return setting > 0 ? n % setting == 0 : setting < 0 && n >= -setting;
}

long lp_alloc_fail(long nth) {
  long count = failing.count;
  failing.chosen = true;
  failing.setting = nth;
  failing.count = 0;
  return count;
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
  if (fails()) return NULL;
  return p ? realloc(p, n) : plain(n); /* realloc would call malloc, too */
}

void lp_alloc_free(void *p) {
  free(p);
}

void *lp_alloc_block(void *p, bool grows, size_t n) {
  return grows && fails() ? NULL : realloc(p, n);
}
