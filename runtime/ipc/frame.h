/* ipc/frame.h: a length-prefixed message: 4 bytes of payload length (native order), 1 byte of
 * type, payload.
 *
 * Both ends are processes of one machine and one program. Layer: ipc. */
#ifndef LP_IPC_FRAME_H
#define LP_IPC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buf.h"

enum { LP_FRAME_HEAD = 5, LP_FRAME_MAX = 1 << 30 /* bytes of payload */ };

typedef struct lp_frame {
  uint8_t type;
  const char *payload; /* inside the bytes that were given */
  size_t len;
} lp_frame;

/* Begins a frame at the end of `out`; the payload is appended next. Returns the frame's offset
 * for lp_frame_end, or LP_EMEMORY. */
long lp_frame_begin(lp_buf *out, uint8_t type);

/* Completes the frame begun at `start`. Returns 0, or LP_ETOO_LARGE, and then the frame is
 * taken out again. */
int lp_frame_end(lp_buf *out, long start);

/* A whole frame. Returns 0, LP_EMEMORY or LP_ETOO_LARGE; on failure `out` is as before. */
int lp_frame_append(lp_buf *out, uint8_t type, const void *payload, size_t len);

/* The same; the payload is `head`, then `bytes`. */
int lp_frame_append_parts(lp_buf *out, uint8_t type, const void *head, size_t head_len,
                          const void *bytes, size_t len);

/* Reads the first frame of `bytes`. Returns how many bytes it takes, 0 when it is not complete,
 * or LP_ECORRUPT. */
long lp_frame_read(const char *bytes, size_t len, lp_frame *frame);

#endif
