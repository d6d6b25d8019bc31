/* base/write.h: writing all of something to a descriptor. Layer: base, libc only. */
#ifndef LP_BASE_WRITE_H
#define LP_BASE_WRITE_H

#include <stddef.h>

/* Writes all bytes, and blocks until that is done. Returns 0 or a negative errno; some bytes
 * may have been written then. */
int lp_write_all(int fd, const char *bytes, size_t n);

#endif
