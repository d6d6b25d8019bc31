/* tests/unit/test_frame.c: frames in a buffer: built, read, cut short, damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/error.h"
#include "runtime/ipc/frame.h"
#include "tests/support/frame_input.h"

static void test_append_and_read(void **state) {
  (void)state;
  lp_buf out = {0};
  lp_frame f;
  assert_int_equal(lp_frame_append(&out, 7, "hello", 5), 0);
  assert_int_equal(lp_frame_append(&out, 255, NULL, 0), 0);
  assert_int_equal(out.len, 2 * LP_FRAME_HEAD + 5);
  long n = lp_frame_read(out.data, out.len, &f);
  assert_int_equal(n, LP_FRAME_HEAD + 5);
  assert_int_equal(f.type, 7);
  assert_int_equal(f.len, 5);
  assert_memory_equal(f.payload, "hello", 5);
  assert_int_equal(lp_frame_read(out.data + n, out.len - (size_t)n, &f), LP_FRAME_HEAD);
  assert_int_equal(f.type, 255);
  assert_int_equal(f.len, 0);
  lp_buf_close(&out);
}

static void test_begin_and_end(void **state) {
  (void)state;
  lp_buf out = {0}, same = {0};
  lp_buf_append(&out, "before", 6);
  long start = lp_frame_begin(&out, 3);
  assert_int_equal(start, 6);
  lp_buf_append(&out, "abc", 3);
  lp_buf_append(&out, "def", 3);
  assert_int_equal(lp_frame_end(&out, start), 0);
  lp_frame_append(&same, 3, "abcdef", 6);
  assert_int_equal(out.len, 6 + same.len);
  assert_memory_equal(out.data + 6, same.data, same.len);
  lp_buf_close(&out);
  lp_buf_close(&same);
}

static void test_cut_short(void **state) {
  (void)state;
  lp_buf out = {0};
  lp_frame f;
  lp_frame_append(&out, 1, "0123456789", 10);
  for (size_t n = 0; n < out.len; n++) {
    char *part = malloc(n ? n : 1); /* of its own size, so that a tool sees a read behind it */
    memcpy(part, out.data, n);
    assert_int_equal(lp_frame_read(part, n, &f), 0);
    free(part);
  }
  assert_int_equal(lp_frame_read(out.data, out.len, &f), out.len);
  lp_buf_close(&out);
}

static void test_corrupt_length(void **state) {
  (void)state;
  lp_frame f;
  uint32_t n = LP_FRAME_MAX + 1u;
  assert_int_equal(lp_frame_read((char *)&n, sizeof n, &f), LP_ECORRUPT);
  n = UINT32_MAX;
  assert_int_equal(lp_frame_read((char *)&n, sizeof n, &f), LP_ECORRUPT);
  n = LP_FRAME_MAX;
  assert_int_equal(lp_frame_read((char *)&n, sizeof n, &f), 0);
}

static void test_too_large(void **state) {
  (void)state;
  lp_buf out = {0};
  lp_buf_append(&out, "x", 1);
  assert_int_equal(lp_frame_append(&out, 1, "", (size_t)LP_FRAME_MAX + 1), LP_ETOO_LARGE);
  assert_int_equal(out.len, 1);
  long start = lp_frame_begin(&out, 1);
  lp_buf huge = {out.data, (size_t)start + LP_FRAME_HEAD + LP_FRAME_MAX + 1, SIZE_MAX};
  assert_int_equal(lp_frame_end(&huge, start), LP_ETOO_LARGE);
  assert_int_equal(huge.len, 1);
  lp_buf_close(&out);
}

static uint32_t next_random(uint64_t *seed) {
  *seed = *seed * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(*seed >> 33);
}

/* Bytes in which now and then a short length stands, in native order, else noise. */
static void fill(uint8_t *bytes, size_t len, uint64_t *seed) {
  for (size_t i = 0; i < len; i++) bytes[i] = (uint8_t)next_random(seed);
  for (size_t i = 0; i + sizeof(uint32_t) < len;) {
    uint32_t n = next_random(seed) % 16 ? next_random(seed) % 24 : next_random(seed);
    memcpy(bytes + i, &n, sizeof n);
    i += LP_FRAME_HEAD + n;
  }
}

/* What the fuzzer does, over a corpus that never changes. */
static void test_fixed_corpus(void **state) {
  (void)state;
  uint64_t seed = 1;
  uint8_t bytes[256];
  size_t frames = 0;
  for (size_t i = 0; i < 5000; i++) {
    fill(bytes, sizeof bytes, &seed);
    frames += frame_input(bytes, i % (sizeof bytes + 1));
  }
  assert_in_range(frames, 5000, 50000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_append_and_read), cmocka_unit_test(test_begin_and_end),
      cmocka_unit_test(test_cut_short),       cmocka_unit_test(test_corrupt_length),
      cmocka_unit_test(test_too_large),       cmocka_unit_test(test_fixed_corpus),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
