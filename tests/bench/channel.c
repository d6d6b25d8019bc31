/* tests/bench/channel.c: what a frame costs: CPU of both ends for a round trip, 256 in flight.
 *
 * usage: channel [FRAMES]
 * A forked child answers each frame with one like it. Prints one line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/ipc/channel.h"
#include "runtime/ipc/spawn.h"

enum { WINDOW = 256, PAYLOAD = 16 };

typedef struct side {
  lp_channel channel;
  long sent, got, want; /* want is 0 in the child: it answers until the end */
} side;

static void send_one(side *s) {
  static const char payload[PAYLOAD];
  if (lp_frame_append(lp_channel_out(&s->channel), 1, payload, PAYLOAD) < 0) abort();
  s->sent++;
}

static void on_frame(lp_channel *c, const lp_frame *f) {
  side *s = c->owner;
  if (f->len != PAYLOAD) abort();
  s->got++;
  if (!s->want || s->sent < s->want) send_one(s);
}

static void on_batch(lp_channel *c) {
  side *s = c->owner;
  lp_channel_flush(c);
  if (s->want && s->got == s->want) lp_channel_close(c, NULL);
}

static void on_ended(lp_channel *c, int status) {
  if (status < 0) abort();
  lp_channel_close(c, NULL);
}

static const lp_channel_events events = {on_frame, on_batch, on_ended};

static void run(int fd, long want) {
  uv_loop_t loop;
  side s = {.want = want};
  if (uv_loop_init(&loop) || lp_channel_open(&s.channel, &loop, fd, &events, &s)) abort();
  while (s.sent < want && s.sent < WINDOW) send_one(&s);
  lp_channel_flush(&s.channel);
  uv_run(&loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&loop)) abort();
}

static double cpu_of(int who) {
  struct rusage u;
  getrusage(who, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
  long frames = argc > 1 ? atol(argv[1]) : 2000000;
  int fds[2];
  if (lp_spawn_pair(SOCK_STREAM, fds)) return 1;
  pid_t pid = fork();
  close(fds[pid == 0 ? 0 : 1]);
  run(fds[pid == 0 ? 1 : 0], pid == 0 ? 0 : frames);
  if (pid == 0) return 0;
  int status;
  if (waitpid(pid, &status, 0) != pid || status) return 1;
  double cpu = cpu_of(RUSAGE_SELF) + cpu_of(RUSAGE_CHILDREN);
  printf("channel: %.3f us of CPU a round trip, both ends (%d in flight, %ld frames)\n",
         cpu * 1e6 / (double)frames, WINDOW, frames);
  return 0;
}
