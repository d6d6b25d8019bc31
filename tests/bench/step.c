/* tests/bench/step.c: what a host pays that has luapool inside, through luapool.h alone.
 *
 *     step tasks N BUDGET STEPS SCRIPT URL   CPU of so many steps with that budget, in
 *                                            microseconds: 50, 99, 99.9 percent and the most
 *     step idle                              of one with nothing to do, in microseconds
 *     step life                              of open and close, and what an idle one holds: KiB
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/luapool.h"

static double cpu_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void fail(luapool *rt, const char *what) {
  fprintf(stderr, "step: %s: %s\n", what, rt ? luapool_error(rt) : "no runtime");
  exit(1);
}

static void print_text(void *user, int kind, const char *bytes, size_t len) {
  (void)user, (void)kind;
  fwrite(bytes, 1, len, stderr);
}

static luapool *open_runtime(void) {
  luapool_options o = LUAPOOL_OPTIONS;
  o.allowed = LUAPOOL_ALLOW_ALL;
  o.signal = 26; /* SIGVTALRM */
  o.slice_us = 10000;
  o.text = print_text;
  luapool *rt;
  if (luapool_open(&rt, &o) < 0) fail(NULL, "open");
  return rt;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The first tenth of the steps, in which the tasks are made, does not count. */
static void measure_tasks(char **args) {
  int64_t budget = atoll(args[1]);
  int steps = atoi(args[2]), warm = steps / 10;
  luapool *rt = open_runtime();
  luapool_value values[] = {{.type = LUAPOOL_INTEGER, .as.integer = atoll(args[0])},
                            {.type = LUAPOOL_STRING, .as.string = {args[4], strlen(args[4])}}};
  if (luapool_load_file(rt, NULL, args[3], values, 2, NULL) < 0) fail(rt, args[3]);
  double *took = malloc((size_t)steps * sizeof *took);
  for (int i = -warm; i < steps; i++) {
    double before = cpu_us();
    int rc = luapool_step(rt, budget);
    if (rc < 0) fail(rt, "step");
    if (i >= 0) took[i] = cpu_us() - before;
  }
  qsort(took, (size_t)steps, sizeof *took, by_size);
  printf("%.0f %.0f %.0f %.0f\n", took[steps / 2], took[steps / 100 * 99],
         took[steps / 1000 * 999], took[steps - 1]);
  free(took);
  luapool_close(rt);
}

/* One task sleeps for long, and one waits for a connection that nobody makes. */
static void measure_idle(void) {
  static const char source[] = "require('luapool.task').sleep(1000)";
  enum { ROUNDS = 200000 };
  luapool *rt = open_runtime();
  if (luapool_load(rt, NULL, source, strlen(source), "=idle", NULL, 0, NULL) < 0)
    fail(rt, "load");
  while (luapool_step(rt, 10000) == LUAPOOL_MORE) {
  }
  double before = cpu_us();
  for (int i = 0; i < ROUNDS; i++) luapool_step(rt, 2000);
  printf("%.3f\n", (cpu_us() - before) / ROUNDS);
  luapool_close(rt);
}

static double resident_kib(void) {
  long pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  if (!f || fscanf(f, "%*s %ld", &pages) != 1) exit(1);
  fclose(f);
  return (double)pages * 4;
}

static void measure_life(void) {
  enum { ROUNDS = 2000, IDLE = 200 };
  static luapool *many[IDLE];
  luapool_close(open_runtime());
  double before = cpu_us();
  for (int i = 0; i < ROUNDS; i++) luapool_close(open_runtime());
  double took = (cpu_us() - before) / ROUNDS, kib = resident_kib();
  for (int i = 0; i < IDLE; i++) many[i] = open_runtime();
  kib = (resident_kib() - kib) / IDLE;
  for (int i = 0; i < IDLE; i++) luapool_close(many[i]);
  printf("%.1f %.1f\n", took, kib);
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "tasks") == 0 && argc == 7)
    measure_tasks(argv + 2);
  else if (strcmp(what, "idle") == 0)
    measure_idle();
  else if (strcmp(what, "life") == 0)
    measure_life();
  else
    return 2;
  return 0;
}
