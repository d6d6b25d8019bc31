/* bindings/http/body.h: the body of a response: decoded, measured, and kept or saved.
 *
 * What has come may be decoded later than it came: one call decodes no more than a fixed
 * amount, so that no body, however far it expands, keeps the loop from its other work. Nothing
 * here touches Lua or curl. Layer: bindings. Owner: a transfer, which embeds it. */
#ifndef LPB_HTTP_BODY_H
#define LPB_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bindings/http/decode.h"
#include "bindings/http/file.h"
#include "runtime/base/buf.h"
#include "runtime/base/heap.h"

/* Failures of a body, beside the codes of base/error.h. */
enum {
  /* It expands too far. */
  LPB_HTTP_BODY_RATIO = -11001,
  /* It is not what its Content-Encoding says. */
  LPB_HTTP_BODY_DAMAGED = -11002,
  /* It ends in the middle of its Content-Encoding. */
  LPB_HTTP_BODY_CUT = -11003,
  /* The server says more than one length, or one that is no number. */
  LPB_HTTP_BODY_LENGTH = -11004,
};

#define LPB_HTTP_BODY_MAX_UNSAID (SIZE_MAX - 1)

typedef struct lpb_http_body {
  /* What the request asks for. */
  /* How many bytes it may have, decoded; SIZE_MAX when any number is fine. Unless the request
   * says it, LPB_HTTP_BODY_MAX_UNSAID until the body begins, which then depends on where it
   * goes: only memory is short. */
  size_t max;
  /* How many times as large as what came it may become; 0 when any number is fine. */
  double max_ratio;
  /* It is not decoded. */
  bool as_it_is;
  /* It is read while it comes, and only so much of it is kept at once. */
  bool stream;
  /* Where it is saved; `path` is NULL when it is not. */
  lpb_http_file file;

  /* The heap against whose limit the buffers count, or NULL; and for how many bytes. */
  lp_heap *heap;
  size_t weight;

  /* What has happened so far. */
  bool begun;
  /* It goes to `file`. */
  bool saves;
  /* A Content-Encoding is unknown, so nothing is decoded. */
  bool unknown;
  /* How many bytes have come. */
  size_t came;
  /* How many bytes they are, decoded. */
  size_t size;
  /* What has come and is not decoded yet: the bytes from `raw_at` on. */
  lp_buf raw;
  size_t raw_at;
  lpb_http_decode *decode;
  /* More bytes come out of `raw`, or out of the decoder. */
  bool pending;
  /* The body, or of a stream what nobody has read yet. */
  lp_buf bytes;
} lpb_http_body;

/* Sets what a request asks for to its defaults. */
void lpb_http_body_defaults(lpb_http_body *b);

/* Begins the body, which may be empty. `codings` is the value of its Content-Encoding, `length`
 * its Content-Length or negative, `good` tells whether the status is one whose body is saved.
 * Returns 0 or a negative code. */
int lpb_http_body_begin(lpb_http_body *b, const char *codings, size_t codings_len,
                        long long length, bool good);

/* Tells whether no more bytes may be added now, because what is there has to be decoded or read
 * first. */
bool lpb_http_body_full(const lpb_http_body *b);

/* Tells whether lpb_http_body_work can do something now. */
bool lpb_http_body_works(const lpb_http_body *b);

/* Adds bytes to a body that has begun and is not full. Returns 0 or a negative code. */
int lpb_http_body_add(lpb_http_body *b, const char *bytes, size_t n);

/* Goes on with what has been added. Returns 0 or a negative code. */
int lpb_http_body_work(lpb_http_body *b);

/* Ends a body for which no more work is left: the file gets its name. Returns 0, a negative
 * code, or 1 when the file cannot be finished yet. */
int lpb_http_body_end(lpb_http_body *b);

/* Makes the struct ready for the next request; small buffers are kept. Safe twice. */
void lpb_http_body_clear(lpb_http_body *b);

/* Gives everything back. Safe twice. */
void lpb_http_body_close(lpb_http_body *b);

#endif
