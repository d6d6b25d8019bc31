/* bindings/http/file.h: a file that appears only when it is complete.
 *
 * The file is written under a temporary name in the same folder and renamed at the end. A
 * zeroed struct stands for no file. Layer: bindings. Owner: a transfer, which embeds it. */
#ifndef LPB_HTTP_FILE_H
#define LPB_HTTP_FILE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct lpb_http_file {
  /* The name that the file gets when it is complete; NULL when there is no file. */
  char *path;
  /* The name under which it is written. */
  char *temporary;
  /* The descriptor, valid while `open`. */
  int fd;
  bool open;
} lpb_http_file;

/* Keeps a copy of the name and makes no file yet. Returns 0 or LP_EMEMORY. */
int lpb_http_file_open(lpb_http_file *f, const char *path);

/* Writes all bytes; the first call makes the file. Returns 0 or a negative errno. */
int lpb_http_file_write(lpb_http_file *f, const char *bytes, size_t n);

/* Gives the complete file its name. Returns 0 or a negative errno. */
int lpb_http_file_finish(lpb_http_file *f);

/* Gives everything back, and removes a file that is not finished. Safe twice. */
void lpb_http_file_close(lpb_http_file *f);

#endif
