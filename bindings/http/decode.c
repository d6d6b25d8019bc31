/* bindings/http/decode.c: content codings, decoded piece by piece. See decode.h.
 *
 * A decoder is a chain of stages. Output is pulled out of the last one; a stage that has no
 * input left pulls some out of the stage before it. Layer: bindings. */
#include "bindings/http/decode.h"

#include <brotli/decode.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

enum {
  STAGES = 5,
  PIECE = 16 * 1024, /* between two stages */
  ROUNDS = 64,       /* pieces that all stages make in one call, beside the output */
  WINDOW_LOG = 23,   /* of zstd: 8 MiB, as RFC 9659 has it */
};

typedef struct stage stage;

typedef struct codec {
  const char *name;
  int (*open)(stage *s);
  /* Decodes from s->in to *out, and moves both on. Returns 0 or a negative code. */
  int (*run)(stage *s, char **out, size_t *room);
  void (*close)(stage *s);
} codec;

struct stage {
  const codec *codec;
  z_stream zlib;
  BrotliDecoderState *brotli;
  ZSTD_DCtx *zstd;
  /* The first two bytes of a format of zlib's, which tell which of them it is. */
  unsigned char head[2];
  /* How many of them have come, and how many of these zlib has taken. */
  unsigned head_len, head_used;
  /* Input has come. */
  bool begun;
  /* A member or frame is complete, and another one may follow. */
  bool between;
  /* At least one is complete. */
  bool complete;
  /* What follows is ignored. */
  bool over;
  /* How many bytes it has made. */
  uint64_t made;
  /* What made was at the start of this member or frame. */
  uint64_t start;
  const char *in;
  size_t left;
  /* What the stage before has made; the first stage makes no use of it. */
  char *piece;
};

struct lpb_http_decode {
  int count;
  /* How many pieces may still be made in this call. */
  int rounds;
  stage stages[STAGES];
};

static void skip(stage *s, size_t n) {
  s->in += n;
  s->left -= n;
}

/* The member is damaged. Behind a complete one, bytes from which nothing was made count as
 * rubbish that is left out, as gzip does. */
static int damaged(stage *s) {
  if (!s->complete || s->made > s->start) return LP_ECORRUPT;
  s->over = true;
  return 0;
}

static void member_ends(stage *s) {
  s->between = s->complete = true;
  s->start = s->made;
}

/* --- gzip and deflate --- */

static void *zlib_alloc(void *unused, unsigned count, unsigned size) {
  (void)unused;
  return lp_alloc_resize(NULL, (size_t)count * size);
}

static void zlib_free(void *unused, void *p) {
  (void)unused;
  lp_alloc_free(p);
}

enum { ZLIB_OR_GZIP = 15 + 32, RAW = -15 };

static int zlib_open(stage *s) {
  s->zlib = (z_stream){.zalloc = zlib_alloc, .zfree = zlib_free};
  return inflateInit2(&s->zlib, ZLIB_OR_GZIP) == Z_OK ? 0 : LP_EMEMORY;
}

static void zlib_close(stage *s) {
  inflateEnd(&s->zlib);
}

/* Takes the first two bytes. Both names are used for both formats, and deflate also for the raw
 * one, which has no header. Returns false when more must come. */
static bool zlib_begin(stage *s) {
  unsigned char *h = s->head;
  while (s->head_len < 2 && s->left) {
    h[s->head_len++] = (unsigned char)*s->in;
    skip(s, 1);
  }
  if (s->head_len < 2) return false;
  bool gzip = h[0] == 0x1f && h[1] == 0x8b;
  bool zlib = (h[0] & 15) == Z_DEFLATED && (h[0] << 8 | h[1]) % 31 == 0;
  if (!gzip && !zlib) inflateReset2(&s->zlib, RAW);
  return true;
}

/* Between two members: leaves zeros out, which pad a file on tape, and prepares for the next
 * member. Returns false when none has come. */
static bool zlib_next(stage *s) {
  while (s->left && *s->in == 0) skip(s, 1);
  if (!s->left) return false;
  s->over = *s->in != 0x1f;
  s->between = false;
  inflateReset(&s->zlib);
  return !s->over;
}

/* Calls inflate once, with the bytes of the header or with the rest. Returns what it returns.
 */
static int zlib_inflate(stage *s, char **out, size_t *room) {
  z_stream *z = &s->zlib;
  unsigned had = s->head_len - s->head_used;
  z->next_in = had ? s->head + s->head_used : (Bytef *)(uintptr_t)s->in;
  z->avail_in = had ? had : (uInt)s->left;
  z->next_out = (Bytef *)*out;
  z->avail_out = (uInt)*room;
  int rc = inflate(z, Z_NO_FLUSH);
  if (had)
    s->head_used = s->head_len - z->avail_in;
  else
    skip(s, s->left - z->avail_in);
  s->made += *room - z->avail_out;
  *out += *room - z->avail_out;
  *room = z->avail_out;
  return rc;
}

static int zlib_run(stage *s, char **out, size_t *room) {
  if (s->head_len < 2 && !zlib_begin(s)) return 0;
  while (!s->over && (!s->between || zlib_next(s))) {
    size_t left = s->left + s->head_len - s->head_used, had = *room;
    int rc = zlib_inflate(s, out, room);
    if (rc == Z_STREAM_END)
      member_ends(s);
    else if (rc == Z_MEM_ERROR)
      return LP_EMEMORY;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
      return damaged(s);
    if (!*room || (left == s->left + s->head_len - s->head_used && had == *room)) break;
  }
  return 0;
}

/* --- br --- */

static void *brotli_alloc(void *unused, size_t size) {
  (void)unused;
  return lp_alloc_resize(NULL, size);
}

static int brotli_open(stage *s) {
  s->brotli = BrotliDecoderCreateInstance(brotli_alloc, zlib_free, NULL);
  return s->brotli ? 0 : LP_EMEMORY;
}

static void brotli_close(stage *s) {
  BrotliDecoderDestroyInstance(s->brotli);
}

static bool brotli_lacks_memory(const stage *s) {
  BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(s->brotli);
  return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
         code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
}

static int brotli_run(stage *s, char **out, size_t *room) {
  size_t had = *room, left = s->left;
  const uint8_t *in = (const uint8_t *)s->in;
  BrotliDecoderResult rc =
      BrotliDecoderDecompressStream(s->brotli, &left, &in, room, (uint8_t **)out, NULL);
  skip(s, s->left - left);
  s->made += had - *room;
  if (rc == BROTLI_DECODER_RESULT_ERROR)
    return brotli_lacks_memory(s) ? LP_EMEMORY : LP_ECORRUPT;
  if (rc == BROTLI_DECODER_RESULT_SUCCESS) s->over = s->complete = true;
  return 0;
}

/* --- zstd --- */

static int zstd_open(stage *s) {
  s->zstd = ZSTD_createDCtx();
  if (!s->zstd) return LP_EMEMORY;
  ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, WINDOW_LOG);
  return 0;
}

static void zstd_close(stage *s) {
  ZSTD_freeDCtx(s->zstd);
}

static int zstd_run(stage *s, char **out, size_t *room) {
  if (s->between && !s->left) return 0;
  ZSTD_inBuffer in = {s->in, s->left, 0};
  ZSTD_outBuffer to = {*out, *room, 0};
  size_t rc = ZSTD_decompressStream(s->zstd, &to, &in);
  skip(s, in.pos);
  *out += to.pos;
  *room -= to.pos;
  s->made += to.pos;
  s->between = false;
  if (rc == 0) member_ends(s);
  if (!ZSTD_isError(rc)) return 0;
  return ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation ? LP_EMEMORY : damaged(s);
}

/* --- the chain --- */

static const codec codecs[] = {
    {"gzip", zlib_open, zlib_run, zlib_close},    {"x-gzip", zlib_open, zlib_run, zlib_close},
    {"deflate", zlib_open, zlib_run, zlib_close}, {"br", brotli_open, brotli_run, brotli_close},
    {"zstd", zstd_open, zstd_run, zstd_close},
};

static bool is_name(const char *name, const char *text, size_t len) {
  return strlen(name) == len && strncasecmp(name, text, len) == 0;
}

/* Adds the stage of a coding: behind the others, because the list is read from its end. Returns
 * as lpb_http_decode_open does. */
static int add_stage(lpb_http_decode *d, const char *name, size_t len) {
  if (len == 0 || is_name("identity", name, len)) return 0;
  for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
    if (!is_name(codecs[i].name, name, len)) continue;
    if (d->count == STAGES) return LP_ECORRUPT;
    stage *s = &d->stages[d->count];
    s->codec = &codecs[i];
    s->piece = lp_alloc_resize(NULL, PIECE);
    s->in = s->piece;
    if (s->piece && s->codec->open(s) == 0) {
      d->count++;
      return 0;
    }
    lp_alloc_free(s->piece);
    return LP_EMEMORY;
  }
  return 1;
}

static int add_stages(lpb_http_decode *d, const char *codings, size_t len) {
  while (len > 0) {
    size_t from = len;
    while (from > 0 && codings[from - 1] != ',') from--;
    size_t start = from, end = len;
    while (start < end && strchr(" \t", codings[start])) start++;
    while (end > start && strchr(" \t", codings[end - 1])) end--;
    int rc = add_stage(d, codings + start, end - start);
    if (rc) return rc;
    len = from ? from - 1 : 0;
  }
  return 0;
}

int lpb_http_decode_open(lpb_http_decode **out, const char *codings, size_t len) {
  *out = NULL;
  lpb_http_decode *d = lp_alloc_new(sizeof *d);
  if (!d) return LP_EMEMORY;
  int rc = add_stages(d, codings, len);
  if (rc == 0 && d->count)
    *out = d;
  else
    lpb_http_decode_close(d);
  return rc;
}

/* Makes up to `room` bytes in stage `i`. *made is 0 when it lacks input, or when the work of
 * this call is done. */
static int pull(lpb_http_decode *d, int i, char *out, size_t room, size_t *made) {
  stage *s = &d->stages[i];
  char *to = out;
  size_t had = room;
  *made = 0;
  for (;;) {
    s->begun |= s->left > 0;
    if (s->over) s->left = 0;
    size_t left = s->left;
    int rc = s->over ? 0 : s->codec->run(s, &to, &room);
    *made = had - room;
    if (rc < 0 || *made) return rc;
    if (s->left && s->left == left && !s->over) return LP_ECORRUPT; /* it is stuck */
    if (s->left) continue;
    if (i == 0 || d->rounds == 0) return 0;
    d->rounds--;
    s->in = s->piece;
    rc = pull(d, i - 1, s->piece, PIECE, &s->left);
    if (rc < 0 || !s->left) return rc;
  }
}

int lpb_http_decode_read(lpb_http_decode *d, const char **in, size_t *left, char *out,
                         size_t room, size_t *made) {
  d->rounds = ROUNDS;
  d->stages[0].in = *in;
  d->stages[0].left = *left;
  int rc = pull(d, d->count - 1, out, room, made);
  *in = d->stages[0].in;
  *left = d->stages[0].left;
  if (rc < 0) return rc;
  return *made || *left || d->rounds == 0;
}

int lpb_http_decode_finish(const lpb_http_decode *d) {
  for (int i = 0; i < d->count; i++) {
    const stage *s = &d->stages[i];
    if (s->begun && !s->over && !s->between) return LP_ECORRUPT;
  }
  return 0;
}

uint64_t lpb_http_decode_most(const lpb_http_decode *d) {
  uint64_t most = 0;
  for (int i = 0; i < d->count; i++)
    if (d->stages[i].made > most) most = d->stages[i].made;
  return most;
}

void lpb_http_decode_close(lpb_http_decode *d) {
  if (!d) return;
  for (int i = 0; i < d->count; i++) {
    d->stages[i].codec->close(&d->stages[i]);
    lp_alloc_free(d->stages[i].piece);
  }
  lp_alloc_free(d);
}
