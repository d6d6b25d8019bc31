/* ipc/channel.h: frames over a Unix stream socket, on a libuv loop.
 *
 * Everything readable comes in one read; everything written during a turn of the loop leaves in
 * one write, by lp_channel_flush. Layer: ipc. Owner: the worker, or main's slot for it, which
 * embeds the struct. */
#ifndef LP_IPC_CHANNEL_H
#define LP_IPC_CHANNEL_H

#include <stdbool.h>
#include <uv.h>

#include "runtime/base/buf.h"
#include "runtime/ipc/frame.h"

typedef struct lp_channel lp_channel;

typedef struct lp_channel_events {
  /* One frame; its payload is valid during the call only. The callback may close the channel:
   * then no further frame comes. */
  void (*frame)(lp_channel *c, const lp_frame *frame);
  /* All frames of one read have been given. May be NULL. */
  void (*batch)(lp_channel *c);
  /* The other end is gone (0) or the channel is broken (negative code). Called once, not after
   * lp_channel_close; the owner then closes the channel. All that the other end had sent comes
   * first. */
  void (*ended)(lp_channel *c, int status);
} lp_channel_events;

struct lp_channel {
  uv_poll_t poll;
  uv_loop_t *loop;
  const lp_channel_events *events;
  void *owner;
  void (*closed)(lp_channel *c);
  int fd;
  int mask; /* what the poll is armed for */
  lp_buf in, out;
  size_t out_start; /* bytes of `out` that are written already */
  int failed;       /* of a write: what `ended` will say */
  bool full;        /* the socket has refused bytes: they go when it has room */
  bool ended;       /* `ended` has been called */
  bool open;        /* between open and close */
};

/* Takes over the socket `fd` (made non-blocking) and begins to read. Returns 0 or a libuv
 * error; on failure fd stays the caller's. */
int lp_channel_open(lp_channel *c, uv_loop_t *loop, int fd, const lp_channel_events *events,
                    void *owner);

/* Where frames are appended, with lp_frame_*; they leave at the next flush. No flush between
 * lp_frame_begin and lp_frame_end: it would send half a frame. */
static inline lp_buf *lp_channel_out(lp_channel *c) {
  return &c->out;
}

/* Writes what can be written; the rest follows when the socket takes it. A failed write is
 * reported by `ended` on a later turn of the loop, never from here. */
void lp_channel_flush(lp_channel *c);

/* Writes everything, blocking, before a process ends. Returns 0 or a negative code. */
int lp_channel_drain(lp_channel *c);

/* The other end is dead, though some other process may keep its socket: gives what it has sent,
 * then `ended` is called at once. */
void lp_channel_finish(lp_channel *c);

/* Bytes not yet written. */
size_t lp_channel_pending(const lp_channel *c);

/* Whether the channel keeps the loop alive (it does when opened). */
void lp_channel_ref(lp_channel *c, bool on);

/* Closes the socket. `closed` (may be NULL) runs on a later turn, then the struct may be freed.
 * Safe on a zeroed struct (then `closed` is not called and false is returned) and safe twice.
 */
bool lp_channel_close(lp_channel *c, void (*closed)(lp_channel *c));

#endif
