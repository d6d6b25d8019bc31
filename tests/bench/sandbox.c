/* tests/bench/sandbox.c: what a sandbox costs: nanoseconds of CPU a call in the free
 * environment and in a sandboxed one, taken in turn.
 *
 *   sandbox        prints "free sandboxed library_free library_sandboxed" */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/luapool.h"

enum { ROUNDS = 200, STEPS = 1000 /* of on_count */ };

/* on_event is what a game's or a server's script does when it is called; on_count does nothing
 * but to call a function of a library again and again. */
static const char source[] =
    "local seen = {}\n"
    "function on_event(n)\n"
    "  local words = {}\n"
    "  for i = 1, 5 do words[i] = ('item %d of %s'):format(n * i, 'none') end\n"
    "  table.sort(words)\n"
    "  seen[n] = math.floor(#table.concat(words, ', ') / 2)\n"
    "  return seen[n]\n"
    "end\n"
    "function on_count()\n"
    "  local sum = 0\n"
    "  for i = 1, 1000 do sum = sum + math.max(i, 10) end\n"
    "  return sum\n"
    "end\n";

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void load(luapool *rt, luapool_env *env) {
  luapool_task *task = NULL;
  luapool_load(rt, env, source, strlen(source), "=source", NULL, 0, &task);
  if (luapool_run(rt, task) < 0) fprintf(stderr, "%s\n", luapool_error(rt));
  luapool_task_release(task);
}

static double call(luapool *rt, luapool_env *env, const char *function, int calls) {
  luapool_value n = {.type = LUAPOOL_INTEGER};
  double start = cpu();
  for (int i = 0; i < calls; i++) {
    n.as.integer = i;
    luapool_start(rt, env, function, &n, 1, NULL);
    if (i % 100 == 99) luapool_run(rt, NULL);
  }
  luapool_run(rt, NULL);
  return cpu() - start;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Both have their turn in each of many rounds; what they cost side by side is told by the
 * median of the rounds, whatever else the machine does. */
static void measure(luapool *rt, luapool_env *env, const char *function, int calls, int steps) {
  double free = 1e18, ratios[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    double a = call(rt, NULL, function, calls), b = call(rt, env, function, calls);
    if (a < free) free = a;
    ratios[i] = b / a;
  }
  qsort(ratios, ROUNDS, sizeof *ratios, compare);
  free /= (double)calls * steps;
  printf("%.1f %.1f ", free, free * ratios[ROUNDS / 2]);
}

int main(void) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  luapool *rt;
  if (luapool_open(&rt, &options) < 0) return 1;
  luapool_env *env = luapool_env_new(rt, 0);
  load(rt, NULL);
  load(rt, env);
  measure(rt, env, "on_event", 1000, 1);
  measure(rt, env, "on_count", 10, STEPS);
  putchar('\n');
  luapool_env_release(env);
  return luapool_close(rt) < 0;
}
