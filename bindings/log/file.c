/* bindings/log/file.c: a log file that many processes write and rotate. Layer: bindings. */
#include "bindings/log/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- names ---- */

size_t lpb_log_file_stem(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && dot > name ? (size_t)(dot - name) : strlen(name);
}

static const char *name_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* The bytes of a stamp, or 0 where none stands. */
static size_t stamp_length(const char *text) {
  static const char like[] = ".0000-00-00_00-00-00_000000";
  for (size_t i = 0; like[i]; i++) {
    bool fits = like[i] == '0' ? isdigit((unsigned char)text[i]) : text[i] == like[i];
    if (!fits) return 0;
  }
  return sizeof like - 1;
}

bool lpb_log_file_is_rotated(const char *log, const char *name, const char **rest) {
  size_t stem = lpb_log_file_stem(log), extension = strlen(log) - stem;
  if (strncmp(name, log, stem) != 0) return false;
  size_t stamp = stamp_length(name + stem);
  if (stamp == 0 || strncmp(name + stem + stamp, log + stem, extension) != 0) return false;
  *rest = name + stem + stamp + extension;
  return **rest == 0 || strcmp(*rest, ".gz") == 0 || strcmp(*rest, ".gz.part") == 0;
}

/* Which name the file gets when it is rotated. Returns 0 or a negative errno. */
static int rotated_name(const lpb_log_file *f, const struct timespec *at, char *out,
                        size_t room) {
  const char *name = name_of(f->real);
  int stem = (int)(name - f->real) + (int)lpb_log_file_stem(name);
  struct tm tm;
  char day[32];
  if (!localtime_r(&at->tv_sec, &tm)) return -errno;
  strftime(day, sizeof day, "%Y-%m-%d_%H-%M-%S", &tm);
  int n = snprintf(out, room, "%.*s.%s_%06ld%s", stem, f->real, day, at->tv_nsec / 1000,
                   f->real + stem);
  return n > 0 && (size_t)n < room ? 0 : -ENAMETOOLONG;
}

static bool is_there(const char *path) {
  char packed[PATH_MAX + 3];
  struct stat st;
  snprintf(packed, sizeof packed, "%s.gz", path);
  return lstat(path, &st) == 0 || lstat(packed, &st) == 0;
}

/* The name that is free: the clock may have been set back. */
static int free_name(const lpb_log_file *f, struct timespec at, char *out, size_t room) {
  for (;;) {
    int rc = rotated_name(f, &at, out, room);
    if (rc < 0 || !is_there(out)) return rc;
    at.tv_nsec += 1000;
    if (at.tv_nsec >= 1000000000) at = (struct timespec){.tv_sec = at.tv_sec + 1};
  }
}

/* ---- opened and locked ---- */

void lpb_log_file_close(lpb_log_file *f) {
  if (f->fd < 0) return;
  flock(f->fd, LOCK_UN); /* a child that is being started may still have the descriptor */
  close(f->fd);
  f->fd = -1;
}

/* Returns 0, -EAGAIN when it was renamed meanwhile, or another negative errno. */
static int reopen(lpb_log_file *f) {
  enum { FLAGS = O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };
  struct stat st = {0};
  f->end = -1;
  f->fd = open(f->path, O_RDWR | FLAGS, 0666);
  if (f->fd < 0 && errno == EACCES) f->fd = open(f->path, O_WRONLY | FLAGS, 0666);
  if (f->fd < 0) return -errno;
  int rc = fstat(f->fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
  if (rc == 0 && !realpath(f->path, f->real)) rc = errno == ENOENT ? -EAGAIN : -errno;
  if (rc < 0) lpb_log_file_close(f);
  f->device = st.st_dev;
  f->inode = st.st_ino;
  return rc;
}

/* Locks the file that has the name now, and tells about it. File systems without locks do
 * without. */
static int take(lpb_log_file *f, struct stat *st) {
  enum { TRIES = 1000 }; /* so often others may rotate it meanwhile */
  for (int i = 0; i < TRIES; i++) {
    int rc = f->fd < 0 ? reopen(f) : 0;
    if (rc == -EAGAIN) continue;
    if (rc < 0) return rc;
    while (flock(f->fd, LOCK_EX) < 0 && errno == EINTR) continue;
    bool same = stat(f->path, st) == 0 && st->st_ino == f->inode && st->st_dev == f->device;
    if (same) return 0;
    lpb_log_file_close(f);
  }
  return -ESTALE;
}

/* ---- rotation ---- */

static bool is_of_today(lpb_log_file *f, time_t then) {
  time_t now = time(NULL);
  if (now < f->midnight || now >= f->next_midnight) {
    struct tm tm;
    if (!localtime_r(&now, &tm)) return true;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    f->midnight = mktime(&tm);
    tm.tm_mday++;
    tm.tm_isdst = -1;
    f->next_midnight = mktime(&tm);
  }
  return then >= f->midnight;
}

static bool is_due(lpb_log_file *f, const struct stat *st, size_t len) {
  if (st->st_size == 0) return false;
  if (f->limit > 0 && st->st_size + (int64_t)len > f->limit) return true;
  return f->daily && !is_of_today(f, st->st_mtim.tv_sec);
}

/* The new file is made before the lock of the old one is given up, with its rights, so that
 * those who wait for the lock find it. */
static int rotate(lpb_log_file *f, const struct stat *st) {
  char target[PATH_MAX];
  struct timespec at = st->st_mtim; /* a day's file bears the day's name */
  if (!f->daily) clock_gettime(CLOCK_REALTIME, &at);
  int rc = free_name(f, at, target, sizeof target);
  if (rc == 0 && rename(f->real, target) < 0) rc = -errno;
  if (rc < 0) return rc;
  int fd = open(f->real, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st->st_mode & 0777);
  if (fd < 0) return 0; /* the next write opens it */
  if (fchown(fd, st->st_uid, st->st_gid) == 0 || st->st_uid == geteuid())
    (void)!fchmod(fd, st->st_mode & 0777);
  close(fd);
  return 0;
}

/* ---- writing ---- */

/* A process that was killed while it wrote may have left a part of a line: that gets an end. */
static bool is_torn(const lpb_log_file *f, off_t size) {
  char last;
  if (size == 0 || size == f->end) return false;
  return pread(f->fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* Whatever cannot be written whole, because the disk is full, is taken back. */
static int append(lpb_log_file *f, const struct stat *st, const char *line, size_t len) {
  struct iovec parts[] = {{(void *)"\n", is_torn(f, st->st_size)}, {(void *)line, len}};
  size_t all = parts[0].iov_len + len, done = 0;
  while (done < all) {
    ssize_t n = done == 0 ? writev(f->fd, parts, 2)
                          : write(f->fd, line + (done - parts[0].iov_len), all - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      int rc = n < 0 ? -errno : -ENOSPC;
      if (done > 0) (void)!ftruncate(f->fd, st->st_size);
      return rc;
    }
    done += (size_t)n;
  }
  f->end = st->st_size + (off_t)all;
  return 0;
}

int lpb_log_file_write(lpb_log_file *f, const char *line, size_t len) {
  struct stat st;
  f->rotated = false;
  f->stuck = 0;
  int rc = take(f, &st);
  while (rc == 0 && f->stuck == 0 && is_due(f, &st, len)) {
    f->stuck = rotate(f, &st);
    if (f->stuck < 0) break;
    f->rotated = true;
    lpb_log_file_close(f);
    rc = take(f, &st);
  }
  if (rc == 0) rc = append(f, &st, line, len);
  if (f->fd >= 0) flock(f->fd, LOCK_UN);
  return rc;
}

int lpb_log_file_open(lpb_log_file *f, const char *path) {
  char folder[PATH_MAX];
  f->fd = -1;
  if (*path != '/' && !getcwd(folder, sizeof folder)) return -errno;
  const char *before = *path == '/' ? "" : folder, *slash = *path == '/' ? "" : "/";
  int n = snprintf(f->path, sizeof f->path, "%s%s%s", before, slash, path);
  struct stat st;
  int rc = n < PATH_MAX ? take(f, &st) : -ENAMETOOLONG;
  if (rc == 0) flock(f->fd, LOCK_UN);
  return rc;
}
