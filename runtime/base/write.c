/* base/write.c: writing all of something to a descriptor. Layer: base. */
#include "runtime/base/write.h"

#include <errno.h>
#include <unistd.h>

int lp_write_all(int fd, const char *bytes, size_t n) {
  while (n > 0) {
    ssize_t done = write(fd, bytes, n);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return -errno;
    bytes += done;
    n -= (size_t)done;
  }
  return 0;
}
