/* bindings/log/file.h: a log file that many processes write and rotate.
 *
 * Each process has the file open for itself and writes a line with one call of the kernel,
 * under the file's lock (flock): so a line whose write has returned is in the kernel, whoever
 * is killed then, and no two lines are mixed. The lock is of the file that has the name now:
 * who finds that another process, or logrotate, has renamed it opens the new one. So whoever
 * holds the lock may rename the file, and nobody writes to it from then on. Layer: bindings, no
 * Lua. Owner: the sink in open.c. */
#ifndef LPB_LOG_FILE_H
#define LPB_LOG_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

typedef struct lpb_log_file {
  /* Absolute. */
  char path[PATH_MAX];
  /* The same without links: what is renamed. */
  char real[PATH_MAX];
  /* How large it may become, 0: as large as it likes. */
  int64_t limit;
  /* Is it renamed when its last line is of an earlier day? */
  bool daily;
  /* -1: it is closed, and opened by the next write. */
  int fd;
  /* Which file `fd` is. */
  dev_t device;
  ino_t inode;
  /* Where the latest line of this process has ended, -1: there is none. */
  off_t end;
  /* The local day that was looked up last. */
  time_t midnight, next_midnight;
  /* The latest write has rotated it, */
  bool rotated;
  /* or should have: a negative errno. */
  int stuck;
} lpb_log_file;

/* Makes the path absolute, opens the file and makes it where there is none. Returns 0 or a
 * negative errno; close it in any case. */
int lpb_log_file_open(lpb_log_file *f, const char *path);

/* Appends a line, all of it or nothing. Rotates before, where that is due; where it is due and
 * cannot be done the line is written all the same. Blocks while another process writes its
 * line. Returns 0 or a negative errno. */
int lpb_log_file_write(lpb_log_file *f, const char *line, size_t len);

/* Safe twice. */
void lpb_log_file_close(lpb_log_file *f);

/* ---- names of rotated files: app.2026-11-28_23-59-59_123456.log ---- */

/* The bytes from a folder's end to where a rotated file's own part stands: "app" of
 * "/var/log/app.log". What comes behind is the extension. */
size_t lpb_log_file_stem(const char *name);

/* Is `name` a rotated file of the log named `log` (both without folders)? `*rest` is what
 * stands behind its extension: "", ".gz", or ".gz.part" of one that is being compressed. */
bool lpb_log_file_is_rotated(const char *log, const char *name, const char **rest);

#endif
