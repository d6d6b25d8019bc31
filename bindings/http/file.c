/* bindings/http/file.c: a file that appears only when it is complete. Layer: bindings. */
#include "bindings/http/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/base/write.h"

int lpb_http_file_open(lpb_http_file *f, const char *path) {
  static const char suffix[] = ".XXXXXX.part";
  size_t len = strlen(path);
  lpb_http_file_close(f);
  f->path = lp_alloc_new(len + 1);
  f->temporary = lp_alloc_new(len + sizeof suffix);
  if (!f->path || !f->temporary) {
    lpb_http_file_close(f);
    return LP_EMEMORY;
  }
  memcpy(f->path, path, len);
  memcpy(f->temporary, path, len);
  memcpy(f->temporary + len, suffix, sizeof suffix);
  return 0;
}

static int make(lpb_http_file *f) {
  if (f->open) return 0;
  f->fd = mkostemps(f->temporary, (int)strlen(".part"), O_CLOEXEC);
  if (f->fd < 0) return -errno;
  f->open = true;
  return 0;
}

int lpb_http_file_write(lpb_http_file *f, const char *bytes, size_t n) {
  int rc = make(f);
  return rc < 0 ? rc : lp_write_all(f->fd, bytes, n);
}

/* Gives the file the permissions that the umask leaves, because mkostemps makes it private. */
static void widen(int fd) {
  mode_t mask = umask(0);
  umask(mask);
  (void)!fchmod(fd, 0666 & ~mask);
}

int lpb_http_file_finish(lpb_http_file *f) {
  int rc = make(f); /* an empty body */
  if (rc < 0) return rc;
  widen(f->fd);
  rc = close(f->fd) < 0 ? -errno : 0;
  f->open = false;
  if (rc == 0 && rename(f->temporary, f->path) < 0) rc = -errno;
  if (rc < 0) unlink(f->temporary);
  return rc;
}

void lpb_http_file_close(lpb_http_file *f) {
  if (f->open) {
    close(f->fd);
    unlink(f->temporary);
  }
  lp_alloc_free(f->path);
  lp_alloc_free(f->temporary);
  *f = (lpb_http_file){0};
}
