/* tests/fuzz/fuzz_decode.c: libFuzzer over the decoding of bodies. */
#include "tests/support/decode_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  decode_input(data, size);
  return 0;
}
