/* base/write.h: writing to descriptors. Layer: base, libc only. */
#ifndef LP_BASE_WRITE_H
#define LP_BASE_WRITE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Stands before what may write to a pipe or socket that nobody reads any more, and behind it:
 * no SIGPIPE comes of it, whatever the process does with that. */
typedef struct lp_write_hold {
  sigset_t before;
  bool held; /* the host holds it back */
  bool kept; /* one that comes is not to be taken: it may be the host's */
} lp_write_hold;

lp_write_hold lp_write_begin(void);
void lp_write_end(const lp_write_hold *hold);

/* Writes as write() does, without a SIGPIPE. Returns how many bytes, or a negative errno. */
ssize_t lp_write_some(int fd, const char *bytes, size_t n);

/* Writes all bytes to a file, or to a stream of the program, and blocks until that is done.
 * Returns 0 or a negative errno; some bytes may have been written then. */
int lp_write_all(int fd, const char *bytes, size_t n);

#endif
