/* bindings/http/part.h: what a download that was broken off needs to go on, in a file beside
 * it.
 *
 * The notes say which URL was asked for, what tells that the server still has the same thing,
 * and how long that is. Layer: bindings. Owner: a file, which embeds the struct. */
#ifndef LPB_HTTP_PART_H
#define LPB_HTTP_PART_H

#include <stdbool.h>

enum { LPB_HTTP_PART_VALIDATOR = 256 };

typedef struct lpb_http_part {
  /* The value for If-Range: an ETag or a date; empty when the download cannot go on. */
  char validator[LPB_HTTP_PART_VALIDATOR];
  /* The length of the whole, or -1. */
  long long total;
} lpb_http_part;

/* What a response says that matters here; a text is NULL where the header is missing. */
typedef struct lpb_http_part_answer {
  long status;
  /* The length of its body, or negative. */
  long long length;
  const char *etag;
  const char *modified;
  const char *range;
  /* The body has a Content-Encoding. */
  bool encoded;
} lpb_http_part_answer;

/* Reads the notes in the file `path`. Returns false, with an empty validator, when there are
 * none for this URL. */
bool lpb_http_part_read(lpb_http_part *p, const char *path, const char *url);

/* Writes the notes into the file `path`, on one that is new. Returns 0 or a negative errno. */
int lpb_http_part_write(const lpb_http_part *p, const char *path, const char *url);

/* Takes the validator and the length of a whole body from its response. */
void lpb_http_part_note(lpb_http_part *p, const lpb_http_part_answer *a);

/* Tells whether a response of status 206 has what follows the first `offset` bytes of the same
 * body. */
bool lpb_http_part_fits(const lpb_http_part *p, const lpb_http_part_answer *a,
                        long long offset);

#endif
