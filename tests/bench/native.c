/* tests/bench/native.c: what C functions of a host cost in a task, beside bare C.
 *
 * usage: native ROUNDS
 * Prints four figures in microseconds: the CPU of a plain C function and of an asynchronous one
 * that is answered at once, a call; the median wall time of one that a thread answers; and that
 * of the floor, two threads that wake each other by a semaphore and an eventfd in epoll. */
#include <lauxlib.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "runtime/luapool.h"

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *times, int n) {
  qsort(times, (size_t)n, sizeof *times, by_size);
  return times[n / 2];
}

static void die(const char *what) {
  fprintf(stderr, "native: %s\n", what);
  exit(1);
}

/* ---- the host ---- */

static int rounds, round_now;
static double *times, began;

/* The one call that the thread is to answer; NULL: it ends. */
static luapool_call *asked;
static sem_t work;

static int push_one(lua_State *L, luapool_call *call, void *arg) {
  (void)call, (void)arg;
  lua_pushinteger(L, 1);
  return 1;
}

static const luapool_call_class kind = {sizeof kind, "answer", push_one, NULL, NULL};

static int push_time(lua_State *L, luapool_call *call, void *arg) {
  if (round_now < rounds) times[round_now++] = now(CLOCK_MONOTONIC) - began;
  return push_one(L, call, arg);
}

static const luapool_call_class timed = {sizeof timed, "answer", push_time, NULL, NULL};

static int host_plain(lua_State *L) {
  lua_pushinteger(L, 1);
  return 1;
}

static int host_now(lua_State *L) {
  luapool_call *call = luapool_call_new(L, &kind, NULL);
  luapool_answer(call, 0);
  return luapool_await(L, call, -1);
}

static int host_thread(lua_State *L) {
  began = now(CLOCK_MONOTONIC);
  luapool_call *call = asked = luapool_call_new(L, &timed, NULL);
  sem_post(&work);
  return luapool_await(L, call, -1);
}

static void *answer(void *arg) {
  (void)arg;
  while (sem_wait(&work) == 0 && asked) luapool_answer(asked, 0);
  return NULL;
}

static int open_host(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"plain", host_plain}, {"now", host_now}, {"thread", host_thread}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

/* Calls host.NAME so often, and returns the CPU of one call. */
static double run(luapool *rt, const char *name, int n) {
  char script[200];
  int len = snprintf(script, sizeof script,
                     "local f = require('host').%s for i = 1, %d do f(i) end", name, n);
  luapool_task *task;
  double start = now(CLOCK_THREAD_CPUTIME_ID);
  if (luapool_load(rt, NULL, script, (size_t)len, "=bench", NULL, 0, &task) < 0 ||
      luapool_run(rt, task) < 0)
    die(luapool_error(rt));
  luapool_task_release(task);
  return (now(CLOCK_THREAD_CPUTIME_ID) - start) / n;
}

/* The least of some runs, against the noise of the machine. */
static double least(luapool *rt, const char *name) {
  double best = run(rt, name, 1000000);
  for (int i = 0; i < 4; i++) {
    double t = run(rt, name, 1000000);
    if (t < best) best = t;
  }
  return best;
}

static double thread_rounds(luapool *rt) {
  pthread_t thread;
  sem_init(&work, 0, 0);
  pthread_create(&thread, NULL, answer, NULL);
  run(rt, "thread", rounds);
  asked = NULL;
  sem_post(&work);
  pthread_join(thread, NULL);
  return median(times, rounds);
}

/* ---- the floor ---- */

static int event;

static void *answer_floor(void *arg) {
  (void)arg;
  uint64_t one = 1;
  for (int i = 0; i < rounds && sem_wait(&work) == 0; i++)
    if (write(event, &one, sizeof one) != sizeof one) die("eventfd");
  return NULL;
}

static double floor_rounds(void) {
  struct epoll_event ready = {.events = EPOLLIN};
  int epoll = epoll_create1(0);
  pthread_t thread;
  uint64_t count;
  event = eventfd(0, EFD_NONBLOCK);
  epoll_ctl(epoll, EPOLL_CTL_ADD, event, &ready);
  pthread_create(&thread, NULL, answer_floor, NULL);
  for (int i = 0; i < rounds; i++) {
    double start = now(CLOCK_MONOTONIC);
    sem_post(&work);
    if (epoll_wait(epoll, &ready, 1, -1) != 1 || read(event, &count, sizeof count) < 0)
      die("epoll");
    times[i] = now(CLOCK_MONOTONIC) - start;
  }
  pthread_join(thread, NULL);
  close(epoll);
  close(event);
  return median(times, rounds);
}

int main(int argc, char **argv) {
  luapool_options options = LUAPOOL_OPTIONS;
  luapool *rt;
  rounds = argc > 1 ? atoi(argv[1]) : 20000;
  if (rounds < 1 || !(times = calloc((size_t)rounds, sizeof *times))) return 2;
  if (luapool_open(&rt, &options) < 0 || luapool_module(rt, "host", open_host) < 0) return 1;
  double plain = least(rt, "plain"), at_once = least(rt, "now"), thread = thread_rounds(rt);
  printf("%.3f %.3f %.1f %.1f\n", plain, at_once, thread, floor_rounds());
  luapool_close(rt);
  free(times);
  return 0;
}
