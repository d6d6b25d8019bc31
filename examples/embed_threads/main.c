/* Eight threads, each with a runtime of its own and a pool of two workers. Runtimes share
 * nothing that a script could see; all pools of the process share one forkserver. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <luapool.h>

enum { THREADS = 8 };

/* The chunk's argument is the number of the thread. */
static const char script[] = "local pool = require 'luapool.pool'\n"
                             "local first = ...\n"
                             "local workers <close> = pool.new{ processes = 2 }\n"
                             "local function square(x) return x * x end\n"
                             "local items, sum = {}, 0\n"
                             "for i = 1, 100 do items[i] = first * 100 + i end\n"
                             "for _, y in workers:map(square, items) do sum = sum + y end\n"
                             "return sum\n";

typedef struct job {
  pthread_t thread;
  int number, forkserver;
  /* What the script has returned, or the error. */
  int64_t sum;
  int rc;
  char error[500];
} job;

static void fail(job *j, int rc, const char *text) {
  j->rc = rc;
  snprintf(j->error, sizeof j->error, "%s", text);
}

/* Any thread may use any runtime, one at a time; here each has its own from open to close. */
static void *run(void *arg) {
  job *j = arg;
  luapool_options options = LUAPOOL_OPTIONS;
  luapool_value number = {.type = LUAPOOL_INTEGER, .as.integer = j->number}, sum;
  luapool_task *task = NULL;
  luapool *rt;
  options.allowed = LUAPOOL_ALLOW_POOLS;
  options.forkserver = j->forkserver;
  int rc = luapool_open(&rt, &options);
  if (rc < 0) return fail(j, rc, "no runtime can be opened"), NULL;
  rc = luapool_load(rt, NULL, script, sizeof script - 1, "=script", &number, 1, &task);
  if (rc == LUAPOOL_OK) rc = luapool_run(rt, task);
  if (rc < 0)
    fail(j, rc, luapool_error(rt));
  else if (luapool_task_result(task, 0, &sum) > 0)
    j->sum = sum.as.integer;
  luapool_task_release(task);
  luapool_close(rt);
  return NULL;
}

int main(void) {
  /* Workers are forked by a process that has no threads: made before there are any here. */
  int forkserver = luapool_fork(), failed = 0, started = 0;
  job jobs[THREADS] = {{0}};
  if (forkserver < 0) return fprintf(stderr, "no forkserver\n"), 1;
  for (; started < THREADS; started++) {
    job *j = &jobs[started];
    j->number = started;
    j->forkserver = forkserver;
    if (pthread_create(&j->thread, NULL, run, j) != 0) break;
  }
  for (int i = 0; i < started; i++) {
    pthread_join(jobs[i].thread, NULL);
    if (jobs[i].rc < 0)
      fprintf(stderr, "thread %d: %s\n", i, jobs[i].error);
    else
      printf("thread %d: %lld\n", i, (long long)jobs[i].sum);
    failed += jobs[i].rc < 0;
  }
  return failed || started < THREADS;
}
