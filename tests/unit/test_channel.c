/* tests/unit/test_channel.c: frames over a real socket pair, both ends on one loop where that
 * suffices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/ipc/channel.h"
#include "runtime/ipc/spawn.h"
#include "tests/support/clean.h"

#ifdef LP_TINY
enum { LARGE = 1 << 20 };
#else
enum { LARGE = 100 << 20 };
#endif

enum { UNSEEN = 1 };

/* One end, and what it has seen. */
typedef struct end {
  lp_channel channel;
  int frames, batches, ends, status, closed;
  int close_at; /* closes in the callback of this frame */
  int until;    /* closes both ends after so many */
  size_t bytes;
  uint64_t sum;
  bool echo;
  struct end *other;
} end;

static void on_closed(lp_channel *c) {
  ((end *)c->owner)->closed++;
}

static uint64_t sum_of(const char *bytes, size_t n) {
  uint64_t sum = n;
  for (size_t i = 0; i < n; i += 1 + n / 1000) sum = sum * 31 + (uint8_t)bytes[i];
  return sum;
}

static void on_frame(lp_channel *c, const lp_frame *f) {
  end *e = c->owner;
  assert_true(c->open);
  e->frames++;
  e->bytes += f->len;
  e->sum = e->sum * 7 + f->type + sum_of(f->payload, f->len);
  if (e->echo) lp_frame_append(lp_channel_out(c), f->type, f->payload, f->len);
  if (e->frames == e->close_at) lp_channel_close(c, on_closed);
  if (e->frames != e->until) return;
  lp_channel_close(c, on_closed);
  if (e->other) lp_channel_close(&e->other->channel, on_closed);
}

static void on_batch(lp_channel *c) {
  end *e = c->owner;
  e->batches++;
  lp_channel_flush(c);
}

static void on_ended(lp_channel *c, int status) {
  end *e = c->owner;
  e->ends++;
  e->status = status;
  lp_channel_close(c, on_closed);
}

static const lp_channel_events events = {on_frame, on_batch, on_ended};

static int open_raw(clean *t, end *e) {
  int fds[2];
  assert_int_equal(lp_spawn_pair(SOCK_STREAM, fds), 0);
  *e = (end){.status = UNSEEN};
  assert_int_equal(lp_channel_open(&e->channel, &t->loop, fds[0], &events, e), 0);
  return fds[1];
}

static void open_both(clean *t, end *a, end *b) {
  int fd = open_raw(t, a);
  *b = (end){.status = UNSEEN, .other = a};
  a->other = b;
  assert_int_equal(lp_channel_open(&b->channel, &t->loop, fd, &events, b), 0);
}

static void run(clean *t) {
  uv_run(&t->loop, UV_RUN_DEFAULT);
}

static void test_echo(void **state) {
  clean *t = *state;
  end a, b;
  open_both(t, &a, &b);
  b.echo = true;
  char text[3000];
  memset(text, 'x', sizeof text);
  uint64_t sum = 0;
  for (int i = 0; i < 1000; i++) {
    size_t len = i % 3 ? (size_t)i * 3 : (size_t)i % 2;
    text[0] = (char)i;
    lp_frame_append(lp_channel_out(&a.channel), (uint8_t)i, text, len);
    sum = sum * 7 + (uint8_t)i + sum_of(text, len);
  }
  a.until = 1000;
  lp_channel_flush(&a.channel);
  run(t);
  assert_int_equal(a.frames, 1000);
  assert_true(a.sum == sum);
  assert_int_equal(a.closed + b.closed, 2);
  assert_int_equal(a.ends + b.ends, 0);
}

static void test_one_byte(void **state) {
  clean *t = *state;
  end a, b;
  open_both(t, &a, &b);
  b.echo = true;
  a.until = 1;
  lp_frame_append(lp_channel_out(&a.channel), 9, "1", 1);
  lp_channel_flush(&a.channel);
  run(t);
  assert_int_equal(a.bytes, 1);
}

static void test_large(void **state) {
  clean *t = *state;
  end a, b;
  open_both(t, &a, &b);
  b.echo = true;
  char *bytes = malloc(LARGE);
  for (size_t i = 0; i < LARGE; i++) bytes[i] = (char)(i * 7 + i / 4096);
  lp_frame_append(lp_channel_out(&a.channel), 9, bytes, LARGE);
  lp_frame_append(lp_channel_out(&a.channel), 1, "x", 1);
  a.until = 2;
  lp_channel_flush(&a.channel);
  assert_true(lp_channel_pending(&a.channel) > 0);
  assert_int_equal(a.channel.mask, UV_READABLE | UV_WRITABLE);
  run(t);
  assert_true(a.sum == (9 + sum_of(bytes, LARGE)) * 7 + 1 + sum_of("x", 1));
  assert_int_equal(b.bytes, (size_t)LARGE + 1);
  free(bytes);
}

/* Memory that a large frame took goes back; a flush that succeeds leaves the poll alone. */
static void test_memory_and_mask(void **state) {
  clean *t = *state;
  end a, b;
  open_both(t, &a, &b);
  char *bytes = calloc(1, 4 << 20);
  lp_frame_append(lp_channel_out(&a.channel), 9, bytes, 4 << 20);
  lp_channel_flush(&a.channel);
  while (b.frames == 0) uv_run(&t->loop, UV_RUN_ONCE);
  assert_true(a.channel.out.cap <= 1 << 20);
  assert_true(b.channel.in.cap <= 1 << 20);
  uv_run(&t->loop, UV_RUN_NOWAIT);
  assert_int_equal(a.channel.mask, UV_READABLE);
  lp_frame_append(lp_channel_out(&a.channel), 9, "x", 1);
  lp_channel_flush(&a.channel);
  assert_int_equal(a.channel.mask, UV_READABLE);
  assert_int_equal(lp_channel_pending(&a.channel), 0);
  lp_channel_close(&a.channel, NULL);
  lp_channel_close(&b.channel, NULL);
  run(t);
  free(bytes);
}

/* What is answered while frames are read waits for the flush; it does not touch the poll. */
static void test_answer_waits_for_flush(void **state) {
  static const lp_channel_events no_batch = {.frame = on_frame, .ended = on_ended};
  clean *t = *state;
  end a, b;
  open_both(t, &a, &b);
  b.channel.events = &no_batch;
  b.echo = true;
  lp_frame_append(lp_channel_out(&a.channel), 9, "x", 1);
  lp_channel_flush(&a.channel);
  while (b.frames == 0) uv_run(&t->loop, UV_RUN_ONCE);
  assert_int_equal(b.channel.mask, UV_READABLE);
  assert_true(lp_channel_pending(&b.channel) > 0);
  lp_channel_flush(&b.channel);
  assert_int_equal(b.channel.mask, UV_READABLE);
  while (a.frames == 0) uv_run(&t->loop, UV_RUN_ONCE);
  lp_channel_close(&a.channel, NULL);
  lp_channel_close(&b.channel, NULL);
  run(t);
}

/* A reader that is always a little behind: what waits does not grow by what was written before.
 */
static void test_backlog(void **state) {
  clean *t = *state;
  end a, b;
  open_both(t, &a, &b);
  char bytes[1000] = {0};
  size_t most = 0;
  for (int i = 0; i < 20000; i++) {
    lp_frame_append(lp_channel_out(&a.channel), 1, bytes, sizeof bytes);
    lp_channel_flush(&a.channel);
    while (lp_channel_pending(&a.channel) > 1 << 16) uv_run(&t->loop, UV_RUN_NOWAIT);
    if (a.channel.out.len > most) most = a.channel.out.len;
  }
  b.until = 20000;
  run(t);
  assert_int_equal(b.frames, 20000);
  assert_true(most < 1 << 19);
}

static void test_batch(void **state) {
  clean *t = *state;
  end a;
  int raw = open_raw(t, &a);
  lp_buf out = {0};
  for (int i = 0; i < 100; i++) lp_frame_append(&out, 1, "abc", 3);
  assert_int_equal(write(raw, out.data, out.len), out.len);
  while (a.frames < 100) uv_run(&t->loop, UV_RUN_ONCE);
#ifndef LP_TINY
  assert_int_equal(a.batches, 1);
#endif
  lp_channel_close(&a.channel, NULL);
  run(t);
  close(raw);
  lp_buf_close(&out);
}

/* A frame byte by byte, then a half one, then the end. */
static void test_pieces_then_end(void **state) {
  clean *t = *state;
  end a;
  int raw = open_raw(t, &a);
  lp_buf out = {0};
  lp_frame_append(&out, 1, "abc", 3);
  for (size_t i = 0; i < out.len; i++) {
    assert_int_equal(a.frames, 0);
    assert_int_equal(write(raw, out.data + i, 1), 1);
    uv_run(&t->loop, UV_RUN_ONCE);
  }
  assert_int_equal(a.frames, 1);
  assert_int_equal(write(raw, out.data, out.len - 1), out.len - 1);
  close(raw);
  run(t);
  assert_int_equal(a.frames, 1);
  assert_int_equal(a.ends, 1);
  assert_int_equal(a.status, 0);
  assert_int_equal(a.closed, 1);
  lp_buf_close(&out);
}

static void test_corrupt(void **state) {
  clean *t = *state;
  end a;
  int raw = open_raw(t, &a);
  lp_buf out = {0};
  lp_frame_append(&out, 1, "abc", 3);
  lp_buf_append(&out, "\xff\xff\xff\xff!", 5);
  lp_frame_append(&out, 1, "abc", 3);
  assert_int_equal(write(raw, out.data, out.len), out.len);
  run(t);
  assert_int_equal(a.frames, 1);
  assert_int_equal(a.ends, 1);
  assert_int_equal(a.status, LP_ECORRUPT);
  close(raw);
  lp_buf_close(&out);
}

static void test_close_in_frame(void **state) {
  clean *t = *state;
  end a;
  int raw = open_raw(t, &a);
  a.close_at = 2;
  lp_buf out = {0};
  for (int i = 0; i < 5; i++) lp_frame_append(&out, 1, "abc", 3);
  assert_int_equal(write(raw, out.data, out.len), out.len);
  run(t);
  assert_int_equal(a.frames, 2);
  assert_int_equal(a.ends, 0);
  assert_int_equal(a.closed, 1);
  close(raw);
  lp_buf_close(&out);
}

/* The other end dies with bytes unread: what it had sent comes all the same. libuv reports such
 * a socket as an error and stops the poll. */
static void test_reset(void **state) {
  clean *t = *state;
  end a;
  int raw = open_raw(t, &a);
  lp_frame_append(lp_channel_out(&a.channel), 1, "never read", 10);
  lp_channel_flush(&a.channel);
  lp_buf out = {0};
  for (int i = 0; i < 50; i++) lp_frame_append(&out, 1, "abc", 3);
  assert_int_equal(write(raw, out.data, out.len), out.len);
  close(raw);
  run(t);
  assert_int_equal(a.frames, 50);
  assert_int_equal(a.ends, 1);
  assert_int_equal(a.status, 0);
  lp_buf_close(&out);
}

/* A failed write is told on a later turn, after the frames that are there. */
static void test_write_to_nobody(void **state) {
  clean *t = *state;
  end a;
  int raw = open_raw(t, &a);
  lp_buf out = {0};
  lp_frame_append(&out, 1, "abc", 3);
  assert_int_equal(write(raw, out.data, out.len), out.len);
  close(raw);
  for (int i = 0; i < 2; i++) {
    lp_frame_append(lp_channel_out(&a.channel), 1, "x", 1);
    lp_channel_flush(&a.channel);
    assert_int_equal(a.ends, 0);
    assert_int_equal(lp_channel_pending(&a.channel), 0);
  }
  run(t);
  assert_int_equal(a.frames, 1);
  assert_int_equal(a.ends, 1);
  assert_int_equal(a.status, 0);
  lp_buf_close(&out);
}

/* The other end reads no more but does not close: no end of file will come. */
static void test_write_refused(void **state) {
  clean *t = *state;
  end a;
  int raw = open_raw(t, &a);
  assert_int_equal(shutdown(raw, SHUT_RD), 0);
  lp_frame_append(lp_channel_out(&a.channel), 1, "x", 1);
  lp_channel_flush(&a.channel);
  assert_int_equal(a.ends, 0);
  run(t);
  assert_int_equal(a.ends, 1);
  assert_int_equal(a.status, 0);
  close(raw);
}

static int count_child(int fd) {
  char bytes[5000];
  ssize_t n;
  size_t sum = 0;
  while ((n = read(fd, bytes, sizeof bytes)) > 0) sum += (size_t)n;
  return sum == (3 << 20) + LP_FRAME_HEAD ? 0 : 1;
}

static void test_drain(void **state) {
  clean *t = *state;
  end a;
  int raw = open_raw(t, &a);
  pid_t pid = fork();
  if (pid == 0) {
    close(a.channel.fd);
    _exit(count_child(raw));
  }
  close(raw);
  char *bytes = calloc(1, 3 << 20);
  lp_frame_append(lp_channel_out(&a.channel), 9, bytes, 3 << 20);
  assert_int_equal(lp_channel_drain(&a.channel), 0);
  assert_int_equal(lp_channel_pending(&a.channel), 0);
  lp_channel_close(&a.channel, NULL);
  run(t);
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  free(bytes);
}

static void test_drain_to_nobody(void **state) {
  clean *t = *state;
  end a;
  close(open_raw(t, &a));
  lp_frame_append(lp_channel_out(&a.channel), 9, "x", 1);
  assert_int_equal(lp_channel_drain(&a.channel), -EPIPE);
  run(t);
  assert_int_equal(a.ends, 1);
}

static void test_ref_and_close(void **state) {
  clean *t = *state;
  end a;
  lp_channel zero = {0};
  assert_false(lp_channel_close(&zero, on_closed));
  int raw = open_raw(t, &a);
  assert_int_equal(uv_loop_alive(&t->loop), 1);
  lp_channel_ref(&a.channel, false);
  assert_int_equal(uv_run(&t->loop, UV_RUN_DEFAULT), 0);
  lp_channel_ref(&a.channel, true);
  assert_int_equal(uv_loop_alive(&t->loop), 1);
  assert_true(lp_channel_close(&a.channel, on_closed));
  assert_false(lp_channel_close(&a.channel, on_closed));
  run(t);
  assert_int_equal(a.closed, 1);
  assert_false(lp_channel_close(&a.channel, on_closed));
  close(raw);
}

static void test_open_fails(void **state) {
  clean *t = *state;
  lp_channel c;
  FILE *file = tmpfile(); /* epoll takes no plain file */
  assert_true(lp_channel_open(&c, &t->loop, fileno(file), &events, NULL) < 0);
  assert_false(lp_channel_close(&c, NULL));
  assert_int_equal(fclose(file), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      clean_test(test_echo),
      clean_test(test_one_byte),
      clean_test(test_large),
      clean_test(test_memory_and_mask),
      clean_test(test_backlog),
      clean_test(test_batch),
      clean_test(test_corrupt),
      clean_test(test_pieces_then_end),
      clean_test(test_close_in_frame),
      clean_test(test_reset),
      clean_test(test_write_refused),
      clean_test(test_write_to_nobody),
      clean_test(test_drain),
      clean_test(test_drain_to_nobody),
      clean_test(test_ref_and_close),
      clean_test(test_open_fails),
      clean_test(test_answer_waits_for_flush),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
