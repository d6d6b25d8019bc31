/* tests/bench/spawn.c: how long six workers take, from asking to six that run.
 *
 * Each says one byte on its channel as its first thing. Prints one line. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/ipc/forkproc.h"
#include "runtime/ipc/forkserver.h"

enum { WORKERS = 6, ROUNDS = 50 };

static int worker_main(const lp_spawn *s) {
  char byte = 'r';
  if (write(s->channel, &byte, 1) != 1) return 1;
  return read(s->channel, &byte, 1) == 0 ? 0 : 1;
}

static void on_started(lp_forkserver *fs, uint32_t id, pid_t pid) {
  (void)fs;
  (void)id;
  (void)pid;
}

static void on_ended(lp_forkserver *fs, uint32_t id, const lp_forkserver_end *end) {
  (void)id;
  if (end->status || end->error) abort();
  ++*(int *)lp_forkserver_owner(fs);
}

static void on_stopped(lp_forkserver *fs, uint32_t id, pid_t pid, bool stopped) {
  (void)stopped;
  on_started(fs, id, pid);
}

static void on_gone(lp_forkserver *fs) {
  (void)fs;
  abort();
}

static const lp_forkserver_events events = {on_started, on_ended, on_stopped, on_gone};

static int ask(lp_forkserver *fs, uint32_t id, int page) {
  int pair[2];
  if (lp_spawn_pair(SOCK_STREAM, pair)) abort();
  lp_spawn spawn = {id, id + 1, pair[1], 1, 2, page};
  if (lp_forkserver_spawn(fs, &spawn)) abort();
  close(pair[1]);
  return pair[0];
}

/* Microseconds. */
static uint64_t round_of(lp_forkserver *fs, uv_loop_t *loop, int page, int *ended) {
  int fds[WORKERS];
  char byte;
  uint64_t start = uv_hrtime();
  for (uint32_t i = 0; i < WORKERS; i++) fds[i] = ask(fs, i, page);
  for (int i = 0; i < WORKERS; i++)
    if (read(fds[i], &byte, 1) != 1) abort();
  uint64_t took = (uv_hrtime() - start) / 1000;
  for (int i = 0; i < WORKERS; i++) close(fds[i]);
  for (*ended = 0; *ended < WORKERS;) uv_run(loop, UV_RUN_ONCE);
  return took;
}

static int compare(const void *a, const void *b) {
  return (*(const uint64_t *)a > *(const uint64_t *)b) -
         (*(const uint64_t *)a < *(const uint64_t *)b);
}

static void on_tick(uv_timer_t *timer) {
  (void)timer;
} /* keeps the loop alive */

int main(void) {
  int handle = lp_forkproc_fork(worker_main), ended, page = lp_spawn_page(4096);
  uv_loop_t loop;
  uv_timer_t tick;
  lp_forkserver *fs;
  if (handle < 0 || page < 0 || uv_loop_init(&loop) || uv_timer_init(&loop, &tick)) return 1;
  uv_timer_start(&tick, on_tick, 1000, 1000);
  if (lp_forkserver_open(&fs, &loop, handle, "luapool", &events, &ended)) return 1;
  uint64_t took[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) took[i] = round_of(fs, &loop, page, &ended);
  qsort(took, ROUNDS, sizeof *took, compare);
  printf("spawn: %d workers asked for and running after %.2f ms (median of %d; best %.2f)\n",
         WORKERS, (double)took[ROUNDS / 2] / 1000, ROUNDS, (double)took[0] / 1000);
  lp_forkserver_close(fs);
  lp_forkproc_end(handle);
  uv_close((uv_handle_t *)&tick, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop) ? 1 : 0;
}
