/* tests/support/frame_input.h: any bytes as a stream of frames; the fuzzer and a unit test run
 * it.
 *
 * What is read lies inside the bytes, and written again gives the same bytes. Aborts when that
 * is not so. */
#ifndef TESTS_SUPPORT_FRAME_INPUT_H
#define TESTS_SUPPORT_FRAME_INPUT_H

#include <stdlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/ipc/frame.h"

/* Returns how many whole frames there were. */
static inline size_t frame_input(const uint8_t *bytes, size_t len) {
  char *copy = malloc(len ? len : 1);
  if (len) memcpy(copy, bytes, len);
  lp_buf again = {0};
  size_t at = 0, frames = 0;
  lp_frame f;
  long n;
  while ((n = lp_frame_read(copy + at, len - at, &f)) > 0) {
    if ((size_t)n > len - at || f.payload != copy + at + LP_FRAME_HEAD) abort();
    if (f.len + LP_FRAME_HEAD != (size_t)n) abort();
    if (lp_frame_append(&again, f.type, f.payload, f.len) < 0) abort();
    at += (size_t)n;
    frames++;
  }
  if (n < 0 && n != LP_ECORRUPT) abort();
  if (again.len != at || (at && memcmp(again.data, copy, at) != 0)) abort();
  lp_buf_close(&again);
  free(copy);
  return frames;
}

#endif
