/* bindings/log/tidy.c: rotated files are compressed and removed, in a thread. Layer: bindings.
 */
#include "bindings/log/tidy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "bindings/fs/claim.h"
#include "bindings/log/file.h"
#include "runtime/base/alloc.h"
#include "runtime/base/buf.h"
#include "runtime/loop/libuv.h"

enum { CHUNK = 64 << 10, PATIENCE = 1 /* second */ };

typedef struct rotated {
  struct timespec at; /* of its last line */
  bool packed;
  char path[PATH_MAX]; /* without ".gz" */
} rotated;

/* ---- compressing ---- */

/* Returns whether all is written. */
static bool pack(lpb_log_tidy *t, int from, int to) {
  char bytes[CHUNK];
  int copy = fcntl(to, F_DUPFD_CLOEXEC, 0); /* gzclose closes it, and the claim must stand */
  gzFile out = copy < 0 ? NULL : gzdopen(copy, "wb");
  if (!out) {
    if (copy >= 0) close(copy);
    return false;
  }
  ssize_t n;
  while ((n = read(from, bytes, sizeof bytes)) > 0)
    if (t->stop || gzwrite(out, bytes, (unsigned)n) != n) break;
  return gzclose(out) == Z_OK && n == 0;
}

/* Makes "PATH.gz" of "PATH" by way of "PATH.gz.part", which one process writes at a time. The
 * original goes when the other is on the disk. */
static void compress_file(lpb_log_tidy *t, const char *path) {
  char part[PATH_MAX + 16], packed[PATH_MAX + 16];
  struct stat st;
  snprintf(part, sizeof part, "%s.gz.part", path);
  snprintf(packed, sizeof packed, "%s.gz", path);
  int to = lpb_fs_claim_open(part);
  if (to < 0) return; /* another process is at it */
  int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  bool ok = from >= 0 && fstat(from, &st) == 0 && fchmod(to, st.st_mode & 0777) == 0 &&
            ftruncate(to, 0) == 0 && pack(t, from, to);
  if (ok) {
    struct timespec times[] = {st.st_atim, st.st_mtim};
    ok = futimens(to, times) == 0 && fsync(to) == 0;
  }
  if (ok && rename(part, packed) == 0)
    unlink(path);
  else
    unlink(part);
  if (from >= 0) close(from);
  close(to);
}

/* Removes "PATH.gz.part" where there is no "PATH": somebody has begun when another process had
 * just compressed it, and was killed. */
static void remove_orphan(const char *path) {
  char part[PATH_MAX + 16];
  struct stat st;
  snprintf(part, sizeof part, "%s.gz.part", path);
  if (lstat(path, &st) == 0) return;
  int claimed = lpb_fs_claim_open(part);
  if (claimed < 0) return; /* it is being written */
  unlink(part);
  close(claimed);
}

/* ---- the folder ---- */

/* Notes the file when it is a rotated one. Returns 0 or LP_EMEMORY. */
static int note(lp_buf *list, const char *folder, const char *log, const char *name) {
  const char *rest;
  rotated r = {0};
  struct stat st;
  if (!lpb_log_file_is_rotated(log, name, &rest)) return 0;
  r.packed = *rest;
  int n = snprintf(r.path, sizeof r.path, "%s/%s", folder, name);
  if (n >= PATH_MAX || lstat(r.path, &st) < 0 || !S_ISREG(st.st_mode)) return 0;
  r.at = st.st_mtim;
  r.path[n - (int)strlen(rest)] = 0;
  if (strcmp(rest, ".gz.part") == 0) {
    remove_orphan(r.path);
    return 0;
  }
  return lp_buf_append(list, (const char *)&r, sizeof r);
}

/* The newest first. */
static int by_age(const void *left, const void *right) {
  const rotated *a = left, *b = right;
  if (a->at.tv_sec != b->at.tv_sec) return a->at.tv_sec < b->at.tv_sec ? 1 : -1;
  if (a->at.tv_nsec != b->at.tv_nsec) return a->at.tv_nsec < b->at.tv_nsec ? 1 : -1;
  return strcmp(b->path, a->path);
}

/* Lists the rotated files, the newest first. */
static void list_rotated(const char *path, lp_buf *list) {
  char folder[PATH_MAX];
  snprintf(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  *slash = 0;
  DIR *dir = opendir(*folder ? folder : "/");
  if (!dir) return;
  for (struct dirent *entry; (entry = readdir(dir));)
    if (note(list, folder, slash + 1, entry->d_name) < 0) break;
  closedir(dir);
  if (list->len) qsort(list->data, list->len / sizeof(rotated), sizeof(rotated), by_age);
}

static void remove_rotated(const rotated *r) {
  static const char *const endings[] = {"", ".gz", ".gz.part"};
  char path[PATH_MAX + 16];
  for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
    snprintf(path, sizeof path, "%s%s", r->path, endings[i]);
    unlink(path);
  }
}

/* A file stands twice in the list where a process was killed before it removed the original. */
static bool is_double(const rotated *r, const rotated *before) {
  return before && strcmp(r->path, before->path) == 0;
}

static void look_after(lpb_log_tidy *t, const rotated *list, size_t count) {
  int kept = 0;
  const rotated *before = NULL;
  for (const rotated *r = list; r < list + count && !t->stop; before = r++) {
    if (is_double(r, before)) {
      if (r->packed != before->packed) unlink(r->path);
      continue;
    }
    kept++;
    if (t->keep > 0 && kept > t->keep) {
      remove_rotated(r);
    } else if (t->compress && !r->packed) {
      compress_file(t, r->path);
    }
  }
}

/* ---- the thread ---- */

static void *run(void *argument) {
  lpb_log_tidy *t = argument;
  bool more = true;
  while (more) {
    lp_buf list = {0};
    list_rotated(t->path, &list);
    const void *rotated_files = list.data;
    look_after(t, rotated_files, list.len / sizeof(rotated));
    lp_buf_close(&list);
    pthread_mutex_lock(&t->mutex);
    more = t->running = t->again && !t->stop;
    t->again = false;
    if (!more) pthread_cond_signal(&t->ended);
    pthread_mutex_unlock(&t->mutex);
  }
  return NULL;
}

void lpb_log_tidy_init(lpb_log_tidy *t) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&t->ended, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&t->mutex, NULL);
}

/* Without a thread it is left to the next rotation. */
static void begin(lpb_log_tidy *t, const char *path) {
  if (t->started) pthread_join(t->thread, NULL);
  snprintf(t->path, sizeof t->path, "%s", path);
  lp_libuv_hold hold = lp_libuv_begin(); /* no signal of the host's is handled there */
  t->started = t->running = pthread_create(&t->thread, NULL, run, t) == 0;
  lp_libuv_end(&hold);
}

void lpb_log_tidy_start(lpb_log_tidy *t, const char *path) {
  if (!t->compress && t->keep == 0) return;
  pthread_mutex_lock(&t->mutex);
  if (t->running)
    t->again = true;
  else
    begin(t, path);
  pthread_mutex_unlock(&t->mutex);
}

void lpb_log_tidy_close(lpb_log_tidy *t) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += PATIENCE;
  pthread_mutex_lock(&t->mutex);
  while (t->running && pthread_cond_timedwait(&t->ended, &t->mutex, &until) == 0) continue;
  t->stop = true;
  pthread_mutex_unlock(&t->mutex);
  if (t->started) pthread_join(t->thread, NULL);
  pthread_cond_destroy(&t->ended);
  pthread_mutex_destroy(&t->mutex);
}
