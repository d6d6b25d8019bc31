/* bindings/fs/work.c: files and folders, in a thread. Touches nothing but its lpb_fs_work.
 * Layer: bindings. */
#include "bindings/fs/work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/error.h"
#include "runtime/base/write.h"

enum { CHUNK = 64 << 10 }; /* bytes that a read asks for when the file does not say its size */

static int wait_for(lpb_fs_work *w, short events) {
  w->events = events;
  return LPB_FS_WORK_AGAIN;
}

/* Opens without blocking; a pipe is written to once somebody reads it. When it is removed
 * before that, no file is made in its place. */
static int open_file(lpb_fs_work *w, int flags) {
  if (w->fd >= 0) return 0;
  int make = w->tried ? 0 : flags & O_CREAT;
  w->fd = open(w->path, (flags & ~O_CREAT) | make | O_NONBLOCK | O_CLOEXEC, 0666);
  if (w->fd >= 0) return 0;
  if (errno != ENXIO || stat(w->path, &w->stat) < 0) return -errno;
  if (!S_ISFIFO(w->stat.st_mode)) return -ENXIO;
  w->tried = true;
  return wait_for(w, 0);
}

static int close_file(lpb_fs_work *w, int rc) {
  if (close(w->fd) < 0 && rc == 0) rc = -errno;
  w->fd = -1;
  return rc;
}

/* What is no plain file says by poll whether it has something, or has ended. */
static bool has_input(const lpb_fs_work *w) {
  struct pollfd ready = {.fd = w->fd, .events = POLLIN};
  return S_ISREG(w->stat.st_mode) || poll(&ready, 1, 0) > 0;
}

static int read_all(lpb_fs_work *w) {
  lp_buf *data = &w->data;
  for (;;) {
    if (!has_input(w)) return wait_for(w, POLLIN);
    if (data->len == data->cap && lp_buf_reserve(data, CHUNK) < 0) return LP_EMEMORY;
    ssize_t n = read(w->fd, data->data + data->len, data->cap - data->len);
    if (n == 0) return 0;
    if (n < 0 && errno != EINTR && errno != EAGAIN) return -errno;
    if (n > 0) data->len += (size_t)n;
    if (data->len > w->most) return LP_EMEMORY;
  }
}

static int begin_read(lpb_fs_work *w) {
  if (w->data.cap) return 0; /* begun */
  if (fstat(w->fd, &w->stat) < 0) return -errno;
  if ((size_t)w->stat.st_size > w->most) return LP_EMEMORY;
  return lp_buf_reserve(&w->data, (size_t)w->stat.st_size + 1);
}

int lpb_fs_work_read(lpb_fs_work *w) {
  int rc = open_file(w, O_RDONLY);
  if (rc != 0) return rc;
  if ((rc = begin_read(w)) == 0) rc = read_all(w);
  return rc == LPB_FS_WORK_AGAIN ? rc : close_file(w, rc);
}

int lpb_fs_work_open(lpb_fs_work *w) {
  int rc = open_file(w, O_RDONLY);
  if (rc != 0) return rc;
  w->opened = w->fd;
  w->fd = -1;
  return 0;
}

int lpb_fs_work_part(lpb_fs_work *w) {
  if (fstat(w->fd, &w->stat) < 0) return -errno;
  if (!has_input(w)) return wait_for(w, POLLIN);
  if (lp_buf_reserve(&w->data, w->done) < 0) return LP_EMEMORY;
  ssize_t n = read(w->fd, w->data.data, w->done);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return wait_for(w, POLLIN);
  if (n < 0) return -errno;
  w->data.len = (size_t)n;
  return 0;
}

static int write_all(lpb_fs_work *w) {
  while (w->done < w->data.len) {
    ssize_t n = lp_write_some(w->fd, w->data.data + w->done, w->data.len - w->done);
    if (n >= 0)
      w->done += (size_t)n;
    else if (n == -EAGAIN)
      return wait_for(w, POLLOUT);
    else if (n != -EINTR)
      return (int)n;
  }
  return 0;
}

static int write_file(lpb_fs_work *w, int flag) {
  int rc = open_file(w, O_WRONLY | O_CREAT | flag);
  if (rc != 0) return rc;
  rc = write_all(w);
  return rc == LPB_FS_WORK_AGAIN ? rc : close_file(w, rc);
}

int lpb_fs_work_write(lpb_fs_work *w) {
  return write_file(w, O_TRUNC);
}

int lpb_fs_work_append(lpb_fs_work *w) {
  return write_file(w, O_APPEND);
}

static int is_name(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

int lpb_fs_work_list(lpb_fs_work *w) {
  struct dirent **entries;
  int n = scandir(w->path, &entries, is_name, by_bytes), rc = n < 0 ? -errno : 0;
  for (int i = 0; i < n; i++) {
    if (rc == 0)
      rc = lp_buf_append(&w->data, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
    free(entries[i]);
  }
  if (n >= 0) free(entries);
  return rc;
}

int lpb_fs_work_stat(lpb_fs_work *w) {
  return stat(w->path, &w->stat) < 0 ? -errno : 0;
}

static int make_folder(lpb_fs_work *w) {
  if (mkdir(w->path, 0777) == 0) return 0;
  int rc = -errno;
  bool there = w->whole && rc == -EEXIST && stat(w->path, &w->stat) == 0;
  return there && S_ISDIR(w->stat.st_mode) ? 0 : rc;
}

int lpb_fs_work_mkdir(lpb_fs_work *w) {
  char *slash = w->whole && *w->path ? strchr(w->path + 1, '/') : NULL;
  for (; slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    int rc = make_folder(w);
    *slash = '/';
    if (rc < 0 && rc != -EEXIST) return rc;
  }
  return make_folder(w);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
  (void)st, (void)flag, (void)ftw;
  return remove(path) < 0 ? -errno : 0;
}

int lpb_fs_work_remove(lpb_fs_work *w) {
  enum { FOLDERS = 16 }; /* open at once */
  if (!w->whole) return remove(w->path) < 0 ? -errno : 0;
  int rc = nftw(w->path, remove_one, FOLDERS, FTW_DEPTH | FTW_PHYS);
  return rc == -1 ? -errno : rc;
}

int lpb_fs_work_rename(lpb_fs_work *w) {
  return rename(w->path, w->other) < 0 ? -errno : 0;
}

/* The name of a file is in its folder, which has to be on the disk, too. */
static void sync_folder(char *path) {
  char *slash = strrchr(path, '/');
  if (slash) slash[slash == path] = 0;
  int fd = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return; /* one that may not be read */
  fsync(fd);
  close(fd);
}

int lpb_fs_work_sync(lpb_fs_work *w) {
  int rc = open_file(w, O_WRONLY);
  if (rc != 0) return rc;
  if (fdatasync(w->fd) < 0) rc = -errno;
  rc = close_file(w, rc);
  if (rc == 0) sync_folder(w->path);
  return rc;
}

int lpb_fs_work_tempdir(lpb_fs_work *w) {
  w->made = mkdtemp(w->path) != NULL;
  return w->made ? 0 : -errno;
}

void lpb_fs_work_close(lpb_fs_work *w) {
  if (w->fd >= 0) close(w->fd);
  w->fd = -1;
}
