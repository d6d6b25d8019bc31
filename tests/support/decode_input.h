/* tests/support/decode_input.h: any bytes as an encoded body; the fuzzer and a unit test run
 * it.
 *
 * The first byte chooses the codings, the second one how the rest is cut into pieces. One call
 * never makes more than its room, and calls come to an end. Aborts when that is not so. */
#ifndef TESTS_SUPPORT_DECODE_INPUT_H
#define TESTS_SUPPORT_DECODE_INPUT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/http/decode.h"
#include "runtime/base/error.h"

/* Decodes all input to at most `most` bytes; *made is how many. Returns 0 or a negative code.
 */
static inline int decode_piece(lpb_http_decode *d, const char *in, size_t left, size_t most,
                               uint64_t *made) {
  static char out[4096];
  for (int rc = 1; rc == 1 && *made < most;) {
    size_t n = 0, had = left;
    rc = lpb_http_decode_read(d, &in, &left, out, sizeof out, &n);
    if (n > sizeof out || left > had) abort();
    if (rc < 0) return rc;
    *made += n;
  }
  return 0;
}

static inline void decode_input(const uint8_t *bytes, size_t len) {
  static const char *const codings[] = {"gzip",     "deflate",        "br",
                                        "zstd",     "gzip, gzip",     "gzip, zstd",
                                        "br, gzip", "zstd,br,deflate"};
  if (len < 2) return;
  const char *coding = codings[bytes[0] % 8], *in = (const char *)bytes + 2;
  size_t piece = bytes[1] ? bytes[1] : SIZE_MAX;
  lpb_http_decode *d;
  if (lpb_http_decode_open(&d, coding, strlen(coding)) < 0) return;
  uint64_t made = 0;
  int rc = 0;
  for (len -= 2; len > 0 && rc == 0 && made < 1 << 22;) {
    size_t n = len < piece ? len : piece;
    char *copy = malloc(n); /* of its size: a byte too many read is found */
    memcpy(copy, in, n);
    rc = decode_piece(d, copy, n, 1 << 22, &made);
    free(copy);
    in += n;
    len -= n;
  }
  if (lpb_http_decode_most(d) < made) abort();
  lpb_http_decode_finish(d);
  lpb_http_decode_close(d);
}

#endif
