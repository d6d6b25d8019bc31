/* bindings/fs/work.h: what the functions of luapool.fs do in a thread of libuv's pool.
 *
 * A thread never waits for the other end of a pipe, or all threads would soon wait. Instead the
 * function returns and says what must happen before it is called again. Layer: bindings. Owner:
 * the operation in open.c. */
#ifndef LPB_FS_WORK_H
#define LPB_FS_WORK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "runtime/base/buf.h"

typedef struct lpb_fs_work {
  char *path;
  /* The new name of a rename. */
  char *other;
  /* What is written or was read. The names of a list, each with a zero byte behind it. */
  lp_buf data;
  struct stat stat;
  /* How many bytes a read may take. */
  size_t most;
  /* mkdir makes the parents too; remove removes what is in the folder too. */
  bool whole;
  /* A pipe that nobody reads was tried: no file is made in its place from then on. */
  bool tried;
  /* The descriptor that is read or written, or -1. */
  int fd;
  /* The descriptor of an open, which outlives the work, or -1. */
  int opened;
  /* `path` is a new folder, which goes unless somebody takes it. */
  bool made;
  /* How many bytes of `data` are written; of a part, how many it has at most. */
  size_t done;
  /* After LPB_FS_WORK_AGAIN: the events of poll(2) that `fd` must be ready for, or 0 when there
   * is nothing to poll and a while must pass. */
  short events;
} lpb_fs_work;

/* The function must be called again. */
enum { LPB_FS_WORK_AGAIN = 1 };

/* Each returns 0, a negative code, or LPB_FS_WORK_AGAIN. */
int lpb_fs_work_read(lpb_fs_work *w);
int lpb_fs_work_open(lpb_fs_work *w);
int lpb_fs_work_part(lpb_fs_work *w);
int lpb_fs_work_write(lpb_fs_work *w);
int lpb_fs_work_append(lpb_fs_work *w);
int lpb_fs_work_list(lpb_fs_work *w);
int lpb_fs_work_stat(lpb_fs_work *w);
int lpb_fs_work_mkdir(lpb_fs_work *w);
int lpb_fs_work_remove(lpb_fs_work *w);
int lpb_fs_work_rename(lpb_fs_work *w);
int lpb_fs_work_sync(lpb_fs_work *w);
int lpb_fs_work_tempdir(lpb_fs_work *w);

/* Closes what is still open. */
void lpb_fs_work_close(lpb_fs_work *w);

#endif
