/* tests/fuzz/fuzz_frame.c: libFuzzer over the reading of frames. */
#include "tests/support/frame_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  frame_input(data, size);
  return 0;
}
