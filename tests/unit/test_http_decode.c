/* Content codings of an HTTP body: whole, in pieces of any size, cut, damaged, nested, and far
 * larger than what came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <brotli/encode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "runtime/base/buf.h"
#include "tests/support/decode_input.h"

/* --- the other way --- */

enum { GZIP = 15 + 16, ZLIB = 15, RAW = -15 };

static lp_buf deflated(const char *bytes, size_t len, int format) {
  lp_buf out = {0};
  z_stream z = {0};
  deflateInit2(&z, 9, Z_DEFLATED, format, 9, Z_DEFAULT_STRATEGY);
  lp_buf_reserve(&out, deflateBound(&z, len));
  z.next_in = (Bytef *)(uintptr_t)bytes;
  z.avail_in = (uInt)len;
  z.next_out = (Bytef *)out.data;
  z.avail_out = (uInt)out.cap;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.len = z.total_out;
  deflateEnd(&z);
  return out;
}

static lp_buf brotlied(const char *bytes, size_t len) {
  lp_buf out = {0};
  size_t n = BrotliEncoderMaxCompressedSize(len);
  lp_buf_reserve(&out, n);
  assert_true(BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, len, (const uint8_t *)bytes, &n,
                                    (uint8_t *)out.data));
  out.len = n;
  return out;
}

static lp_buf zstded(const char *bytes, size_t len) {
  lp_buf out = {0};
  lp_buf_reserve(&out, ZSTD_compressBound(len));
  out.len = ZSTD_compress(out.data, out.cap, bytes, len, 3);
  assert_false(ZSTD_isError(out.len));
  return out;
}

/* --- decoding --- */

/* Decodes `in`, which comes in pieces of `piece` bytes, to `out` in pieces of `room` bytes.
 * Returns what the decoder returns, at the end too. */
static int decode(const char *coding, const lp_buf *in, size_t piece, size_t room,
                  lp_buf *out) {
  lpb_http_decode *d;
  out->len = 0;
  assert_int_equal(lpb_http_decode_open(&d, coding, strlen(coding)), 0);
  assert_non_null(d);
  int rc = 0;
  for (size_t at = 0; at < in->len && rc >= 0; at += piece) {
    const char *bytes = in->data + at;
    size_t left = in->len - at < piece ? in->len - at : piece, made;
    do {
      lp_buf_reserve(out, room);
      rc = lpb_http_decode_read(d, &bytes, &left, out->data + out->len, room, &made);
      assert_true(made <= room);
      out->len += made;
    } while (rc > 0);
    if (rc == 0) assert_int_equal(left, 0);
  }
  if (rc == 0) rc = lpb_http_decode_finish(d);
  lpb_http_decode_close(d);
  return rc;
}

static void is_decoded(const char *coding, const lp_buf *in, const char *want, size_t len) {
  static const size_t pieces[] = {1, 2, 3, 7, 1000, SIZE_MAX / 2}, rooms[] = {1, 16, 16384};
  lp_buf out = {0};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++) {
      assert_int_equal(decode(coding, in, pieces[i], rooms[k], &out), 0);
      assert_int_equal(out.len, len);
      if (len) assert_memory_equal(out.data, want, len);
    }
  }
  lp_buf_close(&out);
}

static void append(lp_buf *to, lp_buf more) {
  lp_buf_append(to, more.data, more.len);
  lp_buf_close(&more);
}

static void add(lp_buf *to, const char *bytes, size_t n) {
  lp_buf_append(to, bytes, n);
}

static char text[20000]; /* neither random nor all the same */

static int setup(void **state) {
  (void)state;
  unsigned x = 1;
  for (size_t i = 0; i < sizeof text; i++) {
    x = x * 1103515245 + 12345;
    text[i] = (char)('a' + (x >> 16) % (1 + i % 20));
  }
  return 0;
}

static void each_coding(void **state) {
  (void)state;
  static const struct {
    const char *coding;
    int format;
  } rows[] = {{"gzip", GZIP},   {"x-gzip", GZIP}, {"GZip ", GZIP},   {"deflate", ZLIB},
              {"deflate", RAW}, {"gzip", ZLIB},   {"deflate", GZIP}, {"identity, gzip", GZIP}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lp_buf in = deflated(text, sizeof text, rows[i].format);
    is_decoded(rows[i].coding, &in, text, sizeof text);
    lp_buf_close(&in);
    in = deflated("", 0, rows[i].format);
    is_decoded(rows[i].coding, &in, "", 0);
    lp_buf_close(&in);
  }
  lp_buf in = brotlied(text, sizeof text);
  is_decoded("br", &in, text, sizeof text);
  lp_buf_close(&in);
  in = zstded(text, sizeof text);
  is_decoded("zstd", &in, text, sizeof text);
  lp_buf_close(&in);
}

static void several_members_and_padding(void **state) {
  (void)state;
  lp_buf in = deflated("hello ", 6, GZIP);
  append(&in, deflated("", 0, GZIP));
  append(&in, deflated("world", 5, GZIP));
  is_decoded("gzip", &in, "hello world", 11);
  static const char zeros[600];
  add(&in, zeros, sizeof zeros);
  is_decoded("gzip", &in, "hello world", 11);
  append(&in, deflated("!", 1, GZIP)); /* and on behind the padding */
  is_decoded("gzip", &in, "hello world!", 12);
  add(&in, "rubbish", 7);
  is_decoded("gzip", &in, "hello world!", 12);
  lp_buf_close(&in);
  in = deflated("hello", 5, GZIP);
  add(&in, "\x1f rubbish", 9); /* begins as a member does */
  is_decoded("gzip", &in, "hello", 5);
  lp_buf_close(&in);
  in = zstded("hello ", 6);
  append(&in, zstded("world", 5));
  is_decoded("zstd", &in, "hello world", 11);
  add(&in, "rubbish", 7);
  is_decoded("zstd", &in, "hello world", 11);
  lp_buf_close(&in);
  in = brotlied("hello", 5);
  add(&in, "rubbish", 7);
  is_decoded("br", &in, "hello", 5);
  lp_buf_close(&in);
}

static void a_cut_body_is_never_whole(void **state) {
  (void)state;
  lp_buf bodies[] = {deflated(text, 300, GZIP), deflated(text, 300, ZLIB),
                     deflated(text, 300, RAW),  brotlied(text, 300),
                     zstded(text, 300),         deflated("a", 1, GZIP)};
  static const char *const codings[] = {"gzip", "deflate", "deflate", "br", "zstd", "gzip"};
  append(&bodies[5], deflated(text, 300, GZIP));
  lp_buf out = {0};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    size_t len = bodies[i].len, complete = 0;
    for (bodies[i].len = 1; bodies[i].len < len; bodies[i].len++)
      if (decode(codings[i], &bodies[i], SIZE_MAX / 2, 100, &out) == 0) complete++;
    assert_int_equal(complete, i == 5 ? 1 : 0); /* 5: between its members */
    bodies[i].len = 0;
    assert_int_equal(decode(codings[i], &bodies[i], 1, 100, &out), 0); /* nothing: HEAD, 304 */
    lp_buf_close(&bodies[i]);
  }
  lp_buf_close(&out);
}

static void what_is_no_such_body_is_refused(void **state) {
  (void)state;
  lp_buf in = {0}, out = {0};
  add(&in, "<html>plain text</html>", 23);
  assert_int_equal(decode("gzip", &in, 100, 100, &out), LP_ECORRUPT);
  assert_int_equal(decode("br", &in, 100, 100, &out), LP_ECORRUPT);
  assert_int_equal(decode("zstd", &in, 100, 100, &out), LP_ECORRUPT);
  lp_buf_close(&in);
  in = deflated(text, sizeof text, GZIP);
  in.data[in.len - 5] ^= 1; /* its checksum */
  assert_int_equal(decode("gzip", &in, 100, 100, &out), LP_ECORRUPT);
  lp_buf_close(&in);
  lp_buf_close(&out);
}

static void names(void **state) {
  (void)state;
  lpb_http_decode *d;
  static const char *const none[] = {"", "identity", " , ", "Identity, identity"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    assert_int_equal(lpb_http_decode_open(&d, none[i], strlen(none[i])), 0);
    assert_null(d);
  }
  static const char *const unknown[] = {"utf-8", "gzip, utf-8", "utf-8, gzip", "gzipp", "gz"};
  for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
    assert_int_equal(lpb_http_decode_open(&d, unknown[i], strlen(unknown[i])), 1);
    assert_null(d);
  }
  static const char six[] = "gzip,gzip,gzip,gzip,gzip,gzip";
  assert_int_equal(lpb_http_decode_open(&d, six, strlen(six)), LP_ECORRUPT);
  assert_null(d);
  lpb_http_decode_close(NULL);
}

static void chains(void **state) {
  (void)state;
  lp_buf first = deflated(text, sizeof text, GZIP), second = brotlied(first.data, first.len),
         third = zstded(second.data, second.len);
  is_decoded("gzip, br, zstd", &third, text, sizeof text);
  lp_buf_close(&first);
  lp_buf_close(&second);
  lp_buf_close(&third);
}

/* A bomb is decoded in calls that each make little, also where nothing of it comes out. */
static void bombs(void **state) {
  (void)state;
  static const char empty[1 << 20];
  lp_buf member = deflated("", 0, GZIP), many = {0};
  while (many.len < 8 << 20) add(&many, member.data, member.len);
  lp_buf zeros = deflated(empty, sizeof empty, GZIP),
         zeros2 = deflated(zeros.data, zeros.len, GZIP),
         nothing = brotlied(many.data, many.len);
  const struct {
    const char *coding;
    const lp_buf *in;
    uint64_t made, most;
  } rows[] = {{"gzip", &zeros, sizeof empty, sizeof empty},
              {"gzip,gzip", &zeros2, sizeof empty, sizeof empty},
              {"gzip,br", &nothing, 0, many.len}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    lpb_http_decode *d;
    assert_int_equal(lpb_http_decode_open(&d, rows[i].coding, strlen(rows[i].coding)), 0);
    const char *in = rows[i].in->data;
    size_t left = rows[i].in->len, n;
    uint64_t made = 0, before = 0;
    char out[1024];
    int rc, calls = 0;
    while ((rc = lpb_http_decode_read(d, &in, &left, out, sizeof out, &n)) > 0) {
      made += n;
      assert_true(lpb_http_decode_most(d) - before <= 2 << 20);
      before = lpb_http_decode_most(d);
      calls++;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(made, rows[i].made);
    assert_int_equal(lpb_http_decode_most(d), rows[i].most);
    assert_true(calls > 4);
    assert_int_equal(lpb_http_decode_finish(d), 0);
    lpb_http_decode_close(d);
  }
  lp_buf_close(&member);
  lp_buf_close(&many);
  lp_buf_close(&zeros);
  lp_buf_close(&zeros2);
  lp_buf_close(&nothing);
}

static void any_bytes(void **state) {
  (void)state;
  lp_buf in = {0};
  add(&in, "\0\1", 2);
  append(&in, deflated(text, 200, GZIP));
  for (int coding = 0; coding < 8; coding++) {
    for (size_t i = 2; i < in.len; i++) {
      in.data[0] = (char)coding;
      in.data[1] = (char)(i % 5);
      in.data[i] ^= 0x41;
      decode_input((const uint8_t *)in.data, in.len);
      in.data[i] ^= 0x41;
    }
  }
  lp_buf_close(&in);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_coding),
      cmocka_unit_test(several_members_and_padding),
      cmocka_unit_test(a_cut_body_is_never_whole),
      cmocka_unit_test(what_is_no_such_body_is_refused),
      cmocka_unit_test(names),
      cmocka_unit_test(chains),
      cmocka_unit_test(bombs),
      cmocka_unit_test(any_bytes),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
