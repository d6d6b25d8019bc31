/* pool/output.c: whole lines of workers, never mixed. A line longer than LONGEST is passed on
 * in parts. Layer: pool. Process: main. */
#include "runtime/pool/output.h"

#include <string.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/loop/state.h"

enum { CHUNK = 16384, LONGEST = 1 << 20 };

/* Whole lines are to be seen at once. */
static void emit(lp_output *o, const char *text, size_t len) {
  if (!len) return;
  lp_text(o->st, o->kind, text, len);
  lp_text(o->st, o->kind, "", 0);
}

static void remember(lp_output *o, const char *text, size_t len) {
  if (len > LP_OUTPUT_TAIL) {
    text += len - LP_OUTPUT_TAIL;
    len = LP_OUTPUT_TAIL;
  }
  size_t keep = o->tail_len < LP_OUTPUT_TAIL - len ? o->tail_len : LP_OUTPUT_TAIL - len;
  memmove(o->tail, o->tail + o->tail_len - keep, keep);
  memcpy(o->tail + keep, text, len);
  o->tail_len = keep + len;
}

/* The first `len` bytes of `partial` hold new ones at their end: passes on all whole lines. */
static void take(lp_output *o, size_t fresh) {
  lp_buf *b = &o->partial;
  remember(o, b->data + b->len - fresh, fresh);
  char *last = memrchr(b->data, '\n', b->len);
  size_t whole = last ? (size_t)(last - b->data) + 1 : b->len > LONGEST ? b->len : 0;
  emit(o, b->data, whole);
  lp_buf_consume(b, whole);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room) {
  lp_output *o = handle->data;
  (void)wanted;
  bool ok = lp_buf_reserve(&o->partial, CHUNK) == 0;
  *room = ok ? uv_buf_init(o->partial.data + o->partial.len, CHUNK) : uv_buf_init(NULL, 0);
}

/* Without memory for what has come it is read later: the worker would wait for ever. */
static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room) {
  lp_output *o = stream->data;
  (void)room;
  if (n < 0 && n != UV_ENOBUFS) uv_read_stop(stream);
  if (n <= 0) return;
  o->partial.len += (size_t)n;
  take(o, (size_t)n);
}

int lp_output_open(lp_output *o, lp_state *st, int from, int kind) {
  o->st = st;
  o->kind = kind;
  o->open = true;
  uv_pipe_init(st->loop, &o->pipe, 0);
  o->pipe.data = o;
  int rc = uv_pipe_open(&o->pipe, from);
  if (rc == 0) rc = uv_read_start((uv_stream_t *)&o->pipe, give_room, on_read);
  uv_unref((uv_handle_t *)&o->pipe);
  return rc;
}

void lp_output_finish(lp_output *o) {
  uv_os_fd_t fd;
  if (!o->open) return;
  bool readable = uv_fileno((uv_handle_t *)&o->pipe, &fd) == 0;
  while (readable && lp_buf_reserve(&o->partial, CHUNK) == 0) {
    ssize_t n = read(fd, o->partial.data + o->partial.len, CHUNK);
    if (n <= 0) break;
    o->partial.len += (size_t)n;
    take(o, (size_t)n);
  }
  if (o->partial.len && lp_buf_append(&o->partial, "\n", 1) == 0)
    emit(o, o->partial.data, o->partial.len);
  o->partial.len = 0;
}

/* Without the newline at the end, and without the first line when its beginning is lost. */
char *lp_output_tail(const lp_output *o) {
  const char *from = o->tail, *end = o->tail + o->tail_len;
  while (end > from && end[-1] == '\n') end--;
  const char *first = memchr(from, '\n', (size_t)(end - from));
  if (o->tail_len == LP_OUTPUT_TAIL && first) from = first + 1;
  char *copy = end > from ? lp_alloc_new((size_t)(end - from) + 1) : NULL;
  return copy ? memcpy(copy, from, (size_t)(end - from)) : NULL;
}

static void on_closed(uv_handle_t *handle) {
  lp_output *o = handle->data;
  lp_buf_close(&o->partial);
  if (o->closed) o->closed(o);
}

bool lp_output_close(lp_output *o, void (*closed)(lp_output *o)) {
  if (!o->open) return false;
  o->open = false;
  o->closed = closed;
  uv_close((uv_handle_t *)&o->pipe, on_closed);
  return true;
}
