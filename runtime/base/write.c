/* base/write.c: writing to descriptors. A signal that a write raises is one of its thread: it
 * is held back there, and taken. Layer: base. */
#include "runtime/base/write.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

lp_write_hold lp_write_begin(void) {
  lp_write_hold hold;
  sigset_t sigpipe, pending;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &sigpipe, &hold.before);
  hold.held = sigismember(&hold.before, SIGPIPE);
  hold.kept = hold.held && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE);
  return hold;
}

void lp_write_end(const lp_write_hold *hold) {
  const struct timespec at_once = {0};
  sigset_t sigpipe;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  if (!hold->kept) sigtimedwait(&sigpipe, NULL, &at_once);
  if (!hold->held) pthread_sigmask(SIG_SETMASK, &hold->before, NULL);
}

ssize_t lp_write_some(int fd, const char *bytes, size_t n) {
  lp_write_hold hold = lp_write_begin();
  ssize_t done = write(fd, bytes, n), rc = done < 0 ? -errno : done;
  if (rc != -EPIPE) hold.kept = true; /* saves the call: none has come */
  lp_write_end(&hold);
  return rc;
}

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
