/* base/buf.h: a growing array of bytes.
 *
 * A zeroed lp_buf is an empty one. Appending may fail for want of memory: then the buffer is
 * unchanged and LP_EMEMORY comes back. Owner: whoever holds the struct. Layer: base. */
#ifndef LP_BASE_BUF_H
#define LP_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

typedef struct lp_buf {
  char *data;
  size_t len, cap;
} lp_buf;

/* Makes room for n more bytes behind len. Returns 0 or LP_EMEMORY. */
int lp_buf_reserve(lp_buf *b, size_t n);

/* Appends n bytes. Returns 0 or LP_EMEMORY. */
int lp_buf_append(lp_buf *b, const void *bytes, size_t n);

/* Removes the first n bytes (n <= len). */
void lp_buf_consume(lp_buf *b, size_t n);

/* Gives the memory back; the buffer is empty and usable again. Safe twice. */
void lp_buf_close(lp_buf *b);

#endif
