/* bindings/http/file.h: a file that appears only when it is complete.
 *
 * The file is written under a temporary name in the same folder and renamed at the end. One
 * that may be resumed has the name PATH.part, stays there when it is broken off, and has notes
 * beside it (see part.h); one process at a time writes it. A zeroed struct stands for no file.
 * Layer: bindings. Owner: a body, which embeds it. */
#ifndef LPB_HTTP_FILE_H
#define LPB_HTTP_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "bindings/http/check.h"
#include "bindings/http/part.h"

/* Failures of a file, beside an errno and the codes of base/error.h. */
enum {
  /* Its digest is another one than was asked for. */
  LPB_HTTP_FILE_CHECKSUM = -11201,
  /* The server sent another part than was asked for. */
  LPB_HTTP_FILE_RANGE = -11202,
  /* The server sent no more than a piece of the rest. */
  LPB_HTTP_FILE_SHORT = -11203,
};

typedef struct lpb_http_file {
  /* The name that the file gets when it is complete; NULL when there is no file. */
  char *path;
  /* The name under which it is written. */
  char *temporary;
  /* The descriptor, valid while `open`. */
  int fd;
  bool open;
  /* How many bytes it has. */
  long long size;

  /* The name of the notes; NULL when it is not to be resumed. */
  char *notes;
  /* The URL that was asked for, by which the notes are known. */
  char *url;
  lpb_http_part part;
  /* Why it cannot be resumed: 0, or a negative errno. */
  int refused;

  /* Makes its digest; NULL when none was asked for. */
  lpb_http_check *check;
} lpb_http_file;

/* Keeps a copy of the name and makes no file yet. Returns 0 or LP_EMEMORY. */
int lpb_http_file_open(lpb_http_file *f, const char *path);

/* Lets the file go on where an earlier one was broken off, that was asked for by this URL: then
 * f->size is not 0, and f->part.validator is what the server is to be asked with. Returns 0 or
 * LP_EMEMORY. */
int lpb_http_file_resume(lpb_http_file *f, const char *url);

/* Lets the file be finished only when its digest is this one, as "sha256:0123...". `flush` runs
 * when the file may be finished after it could not. Returns 0 or a negative code. */
int lpb_http_file_check(lpb_http_file *f, const char *checksum, lp_state *st, lp_flush *flush);

/* Tells a file that may be resumed which response its bytes come from. Returns 0 or a negative
 * code. */
int lpb_http_file_begin(lpb_http_file *f, const lpb_http_part_answer *a);

/* Writes all bytes; the first call makes the file. Returns 0 or a negative code. */
int lpb_http_file_write(lpb_http_file *f, const char *bytes, size_t n);

/* Gives the complete file its name. Returns 0, a negative code, or 1 when its digest is not
 * known yet. */
int lpb_http_file_finish(lpb_http_file *f);

/* Gives everything back, and removes a file that is neither finished nor to be resumed. Safe
 * twice.
 */
void lpb_http_file_close(lpb_http_file *f);

#endif
