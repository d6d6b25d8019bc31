/* Ticks: several runtimes in a thread, one in several threads, and the signal that the host has
 * granted, which it has back afterwards. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <lauxlib.h>

#include "runtime/api/api.h"
#include "runtime/loop/step.h"
#include "runtime/loop/task.h"
#include "runtime/luapool.h"
#include "tests/support/clean.h"

enum { SIGNAL = SIGUSR1 };

static luapool *open_sliced(int signum) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.allowed = LUAPOOL_ALLOW_ALL;
  options.slice_us = 1000;
  options.signal = signum;
  luapool *rt;
  assert_int_equal(luapool_open(&rt, &options), LUAPOOL_OK);
  return rt;
}

static int run(luapool *rt, const char *code) {
  luapool_task *task;
  assert_int_equal(luapool_load(rt, NULL, code, strlen(code), "=host", NULL, 0, &task), 0);
  int rc = luapool_run(rt, task);
  luapool_task_release(task);
  return rc;
}

/* Ends only where a task that never waits is preempted. Its loop allocates, for the thread
 * sanitizer, which keeps signals back until the next call of libc. */
static void run_sliced(luapool *rt) {
  assert_int_equal(run(rt, "local task = require 'luapool.task'\n"
                           "local s = ('x'):rep(5000)\n"
                           "local t = task.spawn(function() while true do s:upper() end end)\n"
                           "task.yield() t:cancel() t:result()"),
                   LUAPOOL_OK);
}

/* ---- runtimes and threads ---- */

static void test_two_by_turns(void **state) {
  (void)state;
  luapool *a = open_sliced(SIGNAL), *b = open_sliced(SIGNAL), *c = open_sliced(SIGRTMIN);
  for (int i = 0; i < 20; i++) {
    run_sliced(a);
    run_sliced(b);
    run_sliced(c);
  }
  luapool_close(b);
  run_sliced(a);
  luapool_close(a);
  run_sliced(c);
  luapool_close(c);
}

/* A task of one runs the other. */
static int run_other(lua_State *L) {
  run_sliced(lua_touserdata(L, lua_upvalueindex(1)));
  return 0;
}

static void test_one_in_the_other(void **state) {
  (void)state;
  luapool *a = open_sliced(SIGNAL), *b = open_sliced(SIGNAL);
  lua_State *L = a->state.L;
  lua_pushlightuserdata(L, b);
  lua_pushcclosure(L, run_other, 1);
  lua_setglobal(L, "run_other");
  assert_int_equal(run(a, "local task, s = require 'luapool.task', ('x'):rep(5000)\n"
                          "local t = task.spawn(function() while true do s:upper() end end)\n"
                          "for i = 1, 5 do run_other() task.yield() end\n"
                          "t:cancel() t:result()"),
                   LUAPOOL_OK);
  luapool_close(b);
  luapool_close(a);
}

static void *run_in_thread(void *rt) {
  run_sliced(rt);
  return NULL;
}

static void in_thread(void *(*f)(void *), void *arg) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, f, arg), 0);
  pthread_join(thread, NULL);
}

/* Threads that come one after the other have the same addresses. */
static void test_from_thread_to_thread(void **state) {
  (void)state;
  luapool *rt = open_sliced(SIGNAL);
  for (int i = 0; i < 20; i++) in_thread(run_in_thread, rt);
  run_sliced(rt);
  luapool_close(rt);
}

static struct {
  sem_t ready;
  atomic_bool stop;
} other;

/* Runs the runtime, and computes while another thread closes it. */
static void *run_and_compute(void *rt) {
  run_sliced(rt);
  sem_post(&other.ready);
  while (!other.stop) {
  }
  return NULL;
}

/* The timer of a thread may fire while another one closes the runtime; the default action of
 * the signal would end this process. */
static void test_closed_in_another_thread(void **state) {
  (void)state;
  sem_init(&other.ready, 0, 0);
  for (int i = 0; i < 30; i++) {
    pthread_t thread;
    luapool *rt = open_sliced(SIGNAL);
    other.stop = false;
    assert_int_equal(pthread_create(&thread, NULL, run_and_compute, rt), 0);
    sem_wait(&other.ready);
    luapool_close(rt);
    other.stop = true;
    pthread_join(thread, NULL);
  }
  sem_destroy(&other.ready);
}

static void *live(void *state) {
  (void)state;
  for (int i = 0; i < 10; i++) {
    luapool *rt = open_sliced(SIGNAL);
    run_sliced(rt);
    luapool_close(rt);
  }
  return NULL;
}

static void test_threads_at_once(void **state) {
  (void)state;
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, live, NULL), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

/* ---- the host's signal ---- */

static volatile int heard;

static void on_host(int signum, siginfo_t *info, void *context) {
  (void)context;
  heard += signum == SIGNAL && info->si_pid == getpid();
}

/* The host's handler gets the host's signals, and all is as before in the end. */
static void test_handler_of_the_host(void **state) {
  (void)state;
  struct sigaction host = {.sa_sigaction = on_host, .sa_flags = SA_SIGINFO | SA_NODEFER}, now;
  sigaddset(&host.sa_mask, SIGHUP);
  assert_int_equal(sigaction(SIGNAL, &host, NULL), 0);
  heard = 0;
  luapool *a = open_sliced(SIGNAL), *b = open_sliced(SIGNAL);
  raise(SIGNAL);
  assert_int_equal(heard, 1);
  run_sliced(a);
  luapool_close(a);
  raise(SIGNAL);
  assert_int_equal(heard, 2);
  run_sliced(b);
  luapool_close(b);
  raise(SIGNAL);
  assert_int_equal(heard, 3);
  assert_int_equal(sigaction(SIGNAL, NULL, &now), 0);
  assert_ptr_equal(now.sa_sigaction, on_host);
  assert_int_equal(now.sa_flags & (SA_SIGINFO | SA_NODEFER), SA_SIGINFO | SA_NODEFER);
  assert_int_equal(sigismember(&now.sa_mask, SIGHUP), 1);
  signal(SIGNAL, SIG_DFL);
}

/* A host that has set another handler meanwhile keeps that. */
static void test_handler_set_meanwhile(void **state) {
  (void)state;
  struct sigaction now;
  luapool *rt = open_sliced(SIGNAL);
  signal(SIGNAL, SIG_IGN);
  luapool_close(rt);
  sigaction(SIGNAL, NULL, &now);
  assert_ptr_equal(now.sa_handler, SIG_IGN);
  signal(SIGNAL, SIG_DFL);
}

/* Where the host blocks the signal it is unblocked while tasks run, and only then. */
static void test_mask_of_the_host(void **state) {
  (void)state;
  sigset_t blocked, now;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGNAL);
  pthread_sigmask(SIG_BLOCK, &blocked, NULL);
  luapool *a = open_sliced(SIGNAL), *b = open_sliced(SIGNAL);
  for (int i = 0; i < 3; i++) {
    run_sliced(a);
    run_sliced(b);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    assert_int_equal(sigismember(&now, SIGNAL), 1);
  }
  luapool_close(a);
  luapool_close(b);
  sigpending(&now);
  assert_int_equal(sigismember(&now, SIGNAL), 0);
  pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
}

static void test_no_such_signal(void **state) {
  (void)state;
  static const int wrong[] = {-1, 1000, SIGKILL};
  for (int i = 0; i < 3; i++) {
    luapool_options options = LUAPOOL_OPTIONS;
    options.signal = wrong[i];
    luapool *rt;
    assert_true(luapool_open(&rt, &options) < 0);
    assert_null(rt);
  }
}

/* ---- the end of a step ---- */

static uint64_t cpu_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static int spawn_endless(lua_State *L) {
  for (int i = 0; i < 3; i++) {
    assert_int_equal(
        luaL_loadstring(L, "local s = ('x'):rep(5000) while true do s:upper() end"), LUA_OK);
    lp_task_spawn(L, 0);
  }
  return 0;
}

/* Steps with endless tasks end in time: by a signal, by the count hook. On a virtual machine a
 * step may be charged what others did. */
static void check_steps(int signum) {
  lp_state st;
  int late = 0;
  assert_int_equal(lp_state_open(&st, NULL), 0);
  assert_int_equal(lp_interrupt_open(&st, signum), 0);
  lua_pushcfunction(st.L, spawn_endless);
  assert_int_equal(lua_pcall(st.L, 0, 0, 0), LUA_OK);
  for (int i = 0; i < 50; i++) {
    uint64_t began = cpu_ns();
    assert_int_equal(lp_step(&st, 2000), LP_MORE);
    late += cpu_ns() - began >= 50000000;
  }
  assert_in_range(late, 0, 10);
  lp_state_close(&st);
}

static void test_steps(void **state) {
  (void)state;
  clean_skip_under_tsan();
  check_steps(SIGNAL);
  check_steps(0);
}

/* The step ends between the loop's last look at that and the first line of a task. */
static void test_step_ends_before_a_task(void **state) {
  (void)state;
  lp_state st;
  assert_int_equal(lp_state_open(&st, NULL), 0);
  assert_int_equal(lp_interrupt_open(&st, SIGNAL), 0);
  lua_pushcfunction(st.L, spawn_endless);
  assert_int_equal(lua_pcall(st.L, 0, 0, 0), LUA_OK);
  lp_ticks *outer = lp_interrupt_enter(&st);
  lp_interrupt_until(&st, 1);
  while (!st.overdue) usleep(100);
  lp_task *t = lp_list_of(lp_list_shift(&st.ready), lp_task, link);
  alarm(60);
  lp_task_resume(t);
  alarm(0);
  assert_true(t->preempted);
  lp_interrupt_until(&st, 0);
  lp_interrupt_leave(&st, outer);
  lp_state_close(&st);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      clean_test(test_two_by_turns),
      clean_test(test_one_in_the_other),
      clean_test(test_from_thread_to_thread),
      clean_test(test_closed_in_another_thread),
      clean_test(test_threads_at_once),
      clean_test(test_handler_of_the_host),
      clean_test(test_handler_set_meanwhile),
      clean_test(test_mask_of_the_host),
      clean_test(test_no_such_signal),
      clean_test(test_steps),
      clean_test(test_step_ends_before_a_task),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
