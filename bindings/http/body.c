/* bindings/http/body.c: the body of a response: decoded, measured, and kept or saved. See
 * body.h. Layer: bindings. */
#include "bindings/http/body.h"

#include "runtime/base/error.h"

enum {
  MAX = 64 * 1024 * 1024,     /* bytes that a body in memory may have unless more is allowed */
  MAX_RATIO = 200,            /* the most that it may expand unless more is allowed, */
  FREE = 10 * 1024 * 1024,    /* which is not asked below so many bytes */
  RESERVE = 16 * 1024 * 1024, /* believed of a Content-Length */
  KEPT = 64 * 1024,           /* of a buffer, for the next request */
};

#ifdef LP_TINY
enum { HIGH = 8, PIECE = 16, QUANTUM = 16 * 1024 };
#else
enum {
  HIGH = 256 * 1024,     /* bytes of a stream that are kept before the server must wait */
  PIECE = 16 * 1024,     /* decoded in one step */
  QUANTUM = 1024 * 1024, /* decoded in one call */
};
#endif

void lpb_http_body_defaults(lpb_http_body *b) {
  b->max = LPB_HTTP_BODY_MAX_UNSAID;
  b->max_ratio = MAX_RATIO;
  b->as_it_is = b->stream = false;
}

int lpb_http_body_begin(lpb_http_body *b, const char *codings, size_t codings_len,
                        long long length, bool good) {
  b->begun = true;
  b->saves = b->file.path && good;
  if (b->max == LPB_HTTP_BODY_MAX_UNSAID) b->max = b->saves || b->stream ? SIZE_MAX : MAX;
  if (!b->as_it_is && codings_len > 0) {
    int rc = lpb_http_decode_open(&b->decode, codings, codings_len);
    b->unknown = rc > 0;
    if (rc < 0) return rc == LP_ECORRUPT ? LPB_HTTP_BODY_DAMAGED : rc;
  }
  if (length <= 0) return 0;
  if ((unsigned long long)length > b->max) return LP_ETOO_LARGE;
  if (b->saves || b->stream || b->decode) return 0;
  return lp_buf_reserve(&b->bytes, length < RESERVE ? (size_t)length : RESERVE);
}

/* Counts what the buffers hold now. Returns 0 or LP_EMEMORY. */
static int weigh(lpb_http_body *b) {
  size_t now = b->raw.cap + b->bytes.cap;
  if (!b->heap || now == b->weight) return 0;
  if (now > b->weight && !lp_heap_charge(b->heap, now - b->weight)) return LP_EMEMORY;
  if (now < b->weight) lp_heap_discharge(b->heap, b->weight - now);
  b->weight = now;
  return 0;
}

static bool unread(const lpb_http_body *b) {
  return b->stream && b->bytes.len > HIGH;
}

bool lpb_http_body_works(const lpb_http_body *b) {
  return b->pending && !unread(b);
}

bool lpb_http_body_full(const lpb_http_body *b) {
  return b->pending || unread(b);
}

/* Takes decoded bytes that have been written behind the end of b->bytes. */
static int take(lpb_http_body *b, size_t n) {
  b->size += n;
  if (b->size > b->max) return LP_ETOO_LARGE;
  int rc = b->saves ? lpb_http_file_write(&b->file, b->bytes.data + b->bytes.len, n) : 0;
  if (!b->saves || b->stream) b->bytes.len += n;
  return rc;
}

static int take_plain(lpb_http_body *b, const char *bytes, size_t n) {
  b->size += n;
  if (b->size > b->max) return LP_ETOO_LARGE;
  int rc = b->saves ? lpb_http_file_write(&b->file, bytes, n) : 0;
  if (rc == 0 && (!b->saves || b->stream)) rc = lp_buf_append(&b->bytes, bytes, n);
  return rc;
}

static bool expands_too_far(const lpb_http_body *b) {
  uint64_t most = lpb_http_decode_most(b->decode);
  return b->max_ratio > 0 && most > FREE && (double)most > b->max_ratio * (double)b->came;
}

/* Decodes some of the input, which it moves on. Returns 0 when all is decoded, 1 when not, or a
 * negative code. */
static int decode(lpb_http_body *b, const char **in, size_t *left) {
  uint64_t most = lpb_http_decode_most(b->decode);
  for (int rc = 1; rc > 0;) {
    if (unread(b) || lpb_http_decode_most(b->decode) - most >= QUANTUM) return 1;
    size_t made;
    if (lp_buf_reserve(&b->bytes, PIECE) < 0) return LP_EMEMORY;
    rc = lpb_http_decode_read(b->decode, in, left, b->bytes.data + b->bytes.len, PIECE, &made);
    if (rc == LP_ECORRUPT) return LPB_HTTP_BODY_DAMAGED;
    if (rc < 0) return rc;
    int taken = take(b, made);
    if (taken < 0) return taken;
    if (expands_too_far(b)) return LPB_HTTP_BODY_RATIO;
    if (rc == 0) return 0;
  }
  return 0;
}

/* Takes input and keeps what is left of it. `in` may point into b->raw. */
static int work(lpb_http_body *b, const char *in, size_t left) {
  int rc = b->decode ? decode(b, &in, &left) : take_plain(b, in, left);
  b->pending = rc > 0;
  if (rc <= 0) {
    b->raw.len = b->raw_at = 0;
    return rc;
  }
  if (b->raw.len > 0) {
    b->raw_at = b->raw.len - left;
    return 0;
  }
  b->raw_at = 0;
  return lp_buf_append(&b->raw, in, left);
}

int lpb_http_body_add(lpb_http_body *b, const char *bytes, size_t n) {
  b->came += n;
  int rc = work(b, bytes, n);
  return rc == 0 ? weigh(b) : rc;
}

int lpb_http_body_work(lpb_http_body *b) {
  const char *in = b->raw.len ? b->raw.data + b->raw_at : "";
  int rc = work(b, in, b->raw.len - b->raw_at);
  return rc == 0 ? weigh(b) : rc;
}

int lpb_http_body_end(lpb_http_body *b) {
  if (b->decode && lpb_http_decode_finish(b->decode) < 0) return LPB_HTTP_BODY_CUT;
  return b->saves ? lpb_http_file_finish(&b->file) : 0;
}

static void clear_buffer(lp_buf *b) {
  if (b->cap > KEPT) lp_buf_close(b);
  b->len = 0;
}

void lpb_http_body_clear(lpb_http_body *b) {
  lpb_http_file_close(&b->file);
  lpb_http_decode_close(b->decode);
  b->decode = NULL;
  b->begun = b->saves = b->unknown = b->pending = false;
  b->came = b->size = b->raw_at = 0;
  clear_buffer(&b->raw);
  clear_buffer(&b->bytes);
  weigh(b);
}

void lpb_http_body_close(lpb_http_body *b) {
  lpb_http_body_clear(b);
  lp_buf_close(&b->raw);
  lp_buf_close(&b->bytes);
  weigh(b);
}
