/* ipc/frame.c: length-prefixed messages in a buffer.
 *
 * Nothing here trusts a length: a frame is given only when all its bytes are there.
 * Layer: ipc. Owner: none, all is in the caller's buffer. Runs in main and in workers. */
#include "runtime/ipc/frame.h"

#include <string.h>

#include "runtime/base/error.h"

long lp_frame_begin(lp_buf *out, uint8_t type) {
  char head[LP_FRAME_HEAD] = {0, 0, 0, 0, (char)type};
  long start = (long)out->len;
  int rc = lp_buf_append(out, head, sizeof head);
  return rc < 0 ? rc : start;
}

int lp_frame_end(lp_buf *out, long start) {
  size_t len = out->len - (size_t)start - LP_FRAME_HEAD;
  if (len > LP_FRAME_MAX) {
    out->len = (size_t)start;
    return LP_ETOO_LARGE;
  }
  uint32_t n = (uint32_t)len;
  memcpy(out->data + start, &n, sizeof n);
  return 0;
}

int lp_frame_append_parts(lp_buf *out, uint8_t type, const void *head, size_t head_len,
                          const void *bytes, size_t len) {
  size_t both = head_len + len;
  if (both > LP_FRAME_MAX) return LP_ETOO_LARGE;
  int rc = lp_buf_reserve(out, LP_FRAME_HEAD + both);
  if (rc < 0) return rc;
  uint32_t n = (uint32_t)both;
  char *at = out->data + out->len;
  memcpy(at, &n, sizeof n);
  at[4] = (char)type;
  if (head_len) memcpy(at + LP_FRAME_HEAD, head, head_len);
  if (len) memcpy(at + LP_FRAME_HEAD + head_len, bytes, len);
  out->len += LP_FRAME_HEAD + both;
  return 0;
}

int lp_frame_append(lp_buf *out, uint8_t type, const void *payload, size_t len) {
  return lp_frame_append_parts(out, type, NULL, 0, payload, len);
}

long lp_frame_read(const char *bytes, size_t len, lp_frame *frame) {
  uint32_t n;
  if (len < sizeof n) return 0;
  memcpy(&n, bytes, sizeof n);
  if (n > LP_FRAME_MAX) return LP_ECORRUPT;
  if (len < LP_FRAME_HEAD + (size_t)n) return 0;
  *frame = (lp_frame){(uint8_t)bytes[4], bytes + LP_FRAME_HEAD, n};
  return LP_FRAME_HEAD + (long)n;
}
