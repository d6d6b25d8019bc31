/* bindings/http/file.h: a file that appears only when it is complete.
 *
 * It is written under a temporary name in the same folder and renamed at the end.
 * A zeroed struct is none. Layer: bindings. Owner: transfer.c. */
#ifndef LPB_HTTP_FILE_H
#define LPB_HTTP_FILE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct lpb_http_file {
  char *path; /* NULL: none */
  char *temporary;
  int fd; /* valid while `open` */
  bool open;
} lpb_http_file;

/* Takes the name down; nothing is made yet. Returns 0 or LP_EMEMORY. */
int lpb_http_file_open(lpb_http_file *f, const char *path);

/* Writes all of it; makes the file first if need be. Returns 0 or a negative errno. */
int lpb_http_file_write(lpb_http_file *f, const char *bytes, size_t n);

/* Complete: gives the file its name. Returns 0 or a negative errno. */
int lpb_http_file_finish(lpb_http_file *f);

/* Gives everything back; an unfinished file goes. Safe twice. */
void lpb_http_file_close(lpb_http_file *f);

#endif
