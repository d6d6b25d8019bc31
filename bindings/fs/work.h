/* bindings/fs/work.h: what calls of luapool.fs do in a thread of libuv's pool. They never wait
 * there for the other end of a pipe, or there would soon be no thread for anybody: they come
 * back and say what must happen first. Layer: bindings. Owner: fs.c. */
#ifndef LPB_FS_WORK_H
#define LPB_FS_WORK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "runtime/base/buf.h"

typedef struct lpb_fs_work {
  char *path, *other; /* `other` is where a rename goes */
  lp_buf data; /* what is written, or was read; the names of a list, each with its zero */
  struct stat stat;
  bool whole;  /* mkdir: with its parents; remove: with what is in it */
  bool tried;  /* to open a pipe that nobody reads: from then on no file is made in its place */
  int fd;      /* what is being read or written, or -1 */
  size_t done; /* bytes of `data` that are written */
  short
      events; /* after LPB_FS_WORK_AGAIN: what fd must be ready for (of poll), or 0: a while */
} lpb_fs_work;

/* Each returns 0, a negative code, or LPB_FS_WORK_AGAIN: then it is to be called again. */
enum { LPB_FS_WORK_AGAIN = 1 };

int lpb_fs_work_read(lpb_fs_work *w);
int lpb_fs_work_write(lpb_fs_work *w);
int lpb_fs_work_append(lpb_fs_work *w);
int lpb_fs_work_list(lpb_fs_work *w);
int lpb_fs_work_stat(lpb_fs_work *w);
int lpb_fs_work_mkdir(lpb_fs_work *w);
int lpb_fs_work_remove(lpb_fs_work *w);
int lpb_fs_work_rename(lpb_fs_work *w);
int lpb_fs_work_tempdir(lpb_fs_work *w);

/* Closes what is still open. */
void lpb_fs_work_close(lpb_fs_work *w);

#endif
