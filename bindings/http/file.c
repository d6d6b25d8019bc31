/* bindings/http/file.c: a file that appears only when it is complete. See file.h. Layer:
 * bindings. */
#include "bindings/http/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/base/write.h"

/* Returns a copy of a text with another one behind it; NULL for want of memory. */
static char *joined(const char *text, const char *suffix) {
  size_t len = strlen(text), more = strlen(suffix);
  char *copy = lp_alloc_new(len + more + 1);
  if (!copy) return NULL;
  memcpy(copy, text, len);
  memcpy(copy + len, suffix, more);
  return copy;
}

int lpb_http_file_open(lpb_http_file *f, const char *path) {
  lpb_http_file_close(f);
  f->path = joined(path, "");
  f->temporary = joined(path, ".XXXXXX.part");
  if (f->path && f->temporary) return 0;
  lpb_http_file_close(f);
  return LP_EMEMORY;
}

/* Opens the part and locks it, so that no other process writes it. */
static int open_part(lpb_http_file *f) {
  struct stat st;
  f->fd = open(f->temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (f->fd < 0) return -errno;
  int rc = flock(f->fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : fstat(f->fd, &st) < 0 ? -errno : 0;
  if (rc < 0) {
    close(f->fd);
    return rc;
  }
  f->open = true;
  if (lpb_http_part_read(&f->part, f->notes, f->url)) f->size = st.st_size;
  /* All of it was there when the process was killed: the last byte is asked for once more. */
  if (f->part.total > 0 && f->size >= f->part.total) f->size = f->part.total - 1;
  return 0;
}

int lpb_http_file_resume(lpb_http_file *f, const char *url) {
  lp_alloc_free(f->temporary);
  f->temporary = joined(f->path, ".part");
  f->notes = joined(f->path, ".part.info");
  f->url = joined(url, "");
  if (!f->temporary || !f->notes || !f->url) return LP_EMEMORY;
  f->refused = open_part(f);
  return 0;
}

int lpb_http_file_check(lpb_http_file *f, const char *checksum, lp_state *st, lp_flush *flush) {
  return lpb_http_check_open(&f->check, checksum, st, flush);
}

/* Empties the part, because another body comes. */
static int start_over(lpb_http_file *f, const lpb_http_part_answer *a) {
  f->size = 0;
  unlink(f->notes);
  if (ftruncate(f->fd, 0) < 0) return -errno;
  lpb_http_part_note(&f->part, a);
  return f->part.validator[0] ? lpb_http_part_write(&f->part, f->notes, f->url) : 0;
}

int lpb_http_file_begin(lpb_http_file *f, const lpb_http_part_answer *a) {
  bool saved = a->status >= 200 && a->status < 300;
  if (!f->notes) return 0;
  if (f->refused < 0) return saved ? f->refused : 0;
  if (f->size > 0 && (a->status == 206 || a->status == 416)) {
    bool fits = a->status == 206 && lpb_http_part_fits(&f->part, a, f->size);
    if (fits) return ftruncate(f->fd, f->size) < 0 ? -errno : 0;
    f->part.validator[0] = 0; /* it is of no use any more */
    return saved ? LPB_HTTP_FILE_RANGE : 0;
  }
  return saved ? start_over(f, a) : 0;
}

/* As mkostemps, but with the permissions that the umask leaves: to learn that one would have to
 * change it, for all threads of the process. */
static int make_temporary(char *path) {
  static const char letters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  enum { TRIES = 100, RANDOM = 6 };
  char *at = path + strlen(path) - strlen(".part") - RANDOM;
  unsigned char random[RANDOM];
  int fd = -1;
  for (int i = 0; i < TRIES && fd < 0; i++) {
    if (getentropy(random, RANDOM) < 0) return -errno;
    for (int k = 0; k < RANDOM; k++) at[k] = letters[random[k] % (sizeof letters - 1)];
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST) break;
  }
  return fd < 0 ? -errno : fd;
}

static int make(lpb_http_file *f) {
  if (f->open) return 0;
  if (f->refused < 0) return f->refused;
  int fd = make_temporary(f->temporary);
  if (fd < 0) return fd;
  f->fd = fd;
  f->open = true;
  return 0;
}

int lpb_http_file_write(lpb_http_file *f, const char *bytes, size_t n) {
  int rc = make(f);
  if (rc == 0 && f->notes && lseek(f->fd, f->size, SEEK_SET) < 0) rc = -errno;
  if (rc == 0) rc = lp_write_all(f->fd, bytes, n);
  if (rc < 0) return rc;
  f->size += (long long)n;
  if (f->check) lpb_http_check_follow(f->check, f->fd, f->size);
  return 0;
}

static int verify(lpb_http_file *f) {
  bool fits = true;
  if (f->notes && f->part.total >= 0 && f->size < f->part.total) return LPB_HTTP_FILE_SHORT;
  int rc = f->check ? lpb_http_check_end(f->check, f->fd, f->size, &fits) : 0;
  if (rc != 0 || fits) return rc;
  f->part.validator[0] = 0; /* it is not to be resumed */
  return LPB_HTTP_FILE_CHECKSUM;
}

int lpb_http_file_finish(lpb_http_file *f) {
  int rc = make(f); /* an empty body */
  if (rc == 0) rc = verify(f);
  if (rc != 0) return rc;
  if (rename(f->temporary, f->path) < 0) return -errno;
  if (f->notes) unlink(f->notes);
  f->open = false;
  return close(f->fd) < 0 ? -errno : 0;
}

void lpb_http_file_close(lpb_http_file *f) {
  if (f->open) {
    bool stays = f->notes && f->part.validator[0] && f->size > 0;
    if (!stays) unlink(f->temporary);
    if (!stays && f->notes) unlink(f->notes);
    close(f->fd);
  }
  lpb_http_check_close(f->check);
  lp_alloc_free(f->path);
  lp_alloc_free(f->temporary);
  lp_alloc_free(f->notes);
  lp_alloc_free(f->url);
  *f = (lpb_http_file){0};
}
