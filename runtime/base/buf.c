/* base/buf.c: a growing array of bytes. Layer: base. */
#include "runtime/base/buf.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

#ifdef LP_TINY
enum { FIRST = 4 };
#else
enum { FIRST = 256 };
#endif

int lp_buf_reserve(lp_buf *b, size_t n) {
  if (n <= b->cap - b->len) return 0;
  if (n > SIZE_MAX / 2 - b->len) return LP_EMEMORY;
  size_t cap = b->cap ? b->cap : FIRST;
  while (cap - b->len < n) cap *= 2;
  char *data = lp_alloc_resize(b->data, cap);
  if (!data) return LP_EMEMORY;
  b->data = data;
  b->cap = cap;
  return 0;
}

int lp_buf_append(lp_buf *b, const void *bytes, size_t n) {
  int rc = lp_buf_reserve(b, n);
  if (rc < 0) return rc;
  if (n) memcpy(b->data + b->len, bytes, n);
  b->len += n;
  return 0;
}

void lp_buf_consume(lp_buf *b, size_t n) {
  b->len -= n;
  if (b->len) memmove(b->data, b->data + n, b->len);
}

void lp_buf_close(lp_buf *b) {
  lp_alloc_free(b->data);
  *b = (lp_buf){0};
}
