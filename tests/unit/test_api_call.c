/* Asynchronous C functions, as a host writes them: every order of events. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/loop/dump.h"
#include "tests/support/host.h"

/* ---- the host: calls that threads answer ---- */

/* What the host has seen; each test begins with zeros. */
static struct {
  atomic_int made, freed, cancelled, pushed;
  /* How many calls were freed in another thread than that of the test. */
  atomic_int freed_elsewhere;
  pthread_t main;
  /* Threads answer when it is posted, once for each call. */
  sem_t gate;
  /* How often cancel was called answers, with this status. */
  bool answers_in_cancel;
  int cancel_status;
} seen;

typedef struct job {
  luapool_call *call;
  lua_Integer value;
  int status;
  bool gated;
  pthread_t thread;
} job;

/* The threads of a test; they are joined at its end. */
enum { MOST_THREADS = 4096 };
static pthread_t threads[MOST_THREADS];
static int thread_count;

static int push_value(lua_State *L, luapool_call *call, void *arg) {
  const job *j = arg;
  seen.pushed++;
  if (luapool_call_status(call) < 0) return luaL_error(L, "the host failed: %d", j->status);
  lua_pushinteger(L, j->value);
  lua_pushinteger(L, luapool_call_status(call));
  return 2;
}

static void on_cancel(luapool_call *call, void *arg) {
  job *j = arg;
  seen.cancelled++;
  if (seen.answers_in_cancel) {
    j->status = seen.cancel_status;
    luapool_answer(call, seen.cancel_status);
  }
}

static void free_job(void *arg) {
  seen.freed++;
  if (!pthread_equal(pthread_self(), seen.main)) seen.freed_elsewhere++;
  free(arg);
}

static const luapool_call_class with_all = {sizeof with_all, "lookup", push_value, on_cancel,
                                            free_job};
static const luapool_call_class without_cancel = {sizeof without_cancel, "lookup", push_value,
                                                  NULL, free_job};
static const luapool_call_class bare = {sizeof bare, "bare", NULL, NULL, free_job};
static const luapool_call_class sizeless = {.name = "sizeless"};

static job *new_job(lua_State *L, const luapool_call_class *kind) {
  job *j = calloc(1, sizeof *j);
  j->value = luaL_optinteger(L, 1, 0);
  seen.made++;
  j->call = luapool_call_new(L, kind, j);
  return j;
}

static void *answer(void *arg) {
  job *j = arg;
  if (j->gated) sem_wait(&seen.gate);
  luapool_answer(j->call, j->status);
  return NULL;
}

static void start_thread(job *j) {
  assert_in_range(thread_count, 0, MOST_THREADS - 1);
  assert_int_equal(pthread_create(&threads[thread_count++], NULL, answer, j), 0);
}

static void join_threads(void) {
  while (thread_count > 0) pthread_join(threads[--thread_count], NULL);
}

/* host.now(value, status): answered before it waits. */
static int host_now(lua_State *L) {
  job *j = new_job(L, &with_all);
  luapool_answer(j->call, (int)luaL_optinteger(L, 2, 0));
  return luapool_await(L, j->call, -1);
}

/* host.early(value): a thread has answered before it waits. */
static int host_early(lua_State *L) {
  job *j = new_job(L, &with_all);
  luapool_call *call = j->call;
  start_thread(j);
  join_threads();
  return luapool_await(L, call, -1);
}

/* host.thread(value): a thread answers, when it comes to that. */
static int host_thread(lua_State *L) {
  job *j = new_job(L, &with_all);
  luapool_call *call = j->call;
  start_thread(j);
  return luapool_await(L, call, -1);
}

static int gated(lua_State *L, const luapool_call_class *kind) {
  double timeout = luaL_optnumber(L, 2, -1);
  int status = (int)luaL_optinteger(L, 3, 0);
  job *j = new_job(L, kind);
  luapool_call *call = j->call;
  j->gated = true;
  j->status = status;
  start_thread(j);
  return luapool_await(L, call, timeout);
}

/* host.gated(value, timeout, status): a thread answers when host.open was called. */
static int host_gated(lua_State *L) {
  return gated(L, &without_cancel);
}

/* The same for one that has no results. */
static int host_bare(lua_State *L) {
  return gated(L, &bare);
}

/* host.stoppable(value, timeout): is answered in `cancel` or never. */
static int host_stoppable(lua_State *L) {
  return luapool_await(L, new_job(L, &with_all)->call, luaL_optnumber(L, 2, -1));
}

/* host.open(): lets one gated thread answer. */
static int host_open_gate(lua_State *L) {
  (void)L;
  sem_post(&seen.gate);
  return 0;
}

/* host.breaks(): a C function that fails when it has made its call. */
static int host_breaks(lua_State *L) {
  job *j = new_job(L, &with_all);
  start_thread(j);
  return luaL_error(L, "broken");
}

/* host.twice(): makes a second call before it waits for the first. */
static int host_twice(lua_State *L) {
  job *first = new_job(L, &bare), *second = new_job(L, &bare);
  luapool_call *stale = first->call;
  start_thread(first);
  start_thread(second);
  return luapool_await(L, stale, -1);
}

/* host.sizeless(): its class does not say how large it is. */
static int host_sizeless(lua_State *L) {
  luapool_call_new(L, &sizeless, NULL);
  return 0;
}

static int host_dump(lua_State *L) {
  lp_dump_push(L);
  return 1;
}

static int open_host(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"now", host_now},           {"early", host_early},         {"thread", host_thread},
      {"gated", host_gated},       {"stoppable", host_stoppable}, {"open", host_open_gate},
      {"breaks", host_breaks},     {"bare", host_bare},           {"twice", host_twice},
      {"sizeless", host_sizeless}, {"dump", host_dump},           {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}

static int setup(void **state) {
  memset(&seen, 0, sizeof seen);
  seen.main = pthread_self();
  sem_init(&seen.gate, 0, 0);
  *state = host_open(open_host);
  return 0;
}

/* Whoever still waits at the gate answers late. */
static void close_all(void **state) {
  luapool_close(*state);
  *state = NULL;
  for (int i = 0; i < thread_count; i++) sem_post(&seen.gate);
  join_threads();
}

/* Each call is freed exactly once, whatever became of it. */
static int teardown(void **state) {
  close_all(state);
  sem_destroy(&seen.gate);
  assert_int_equal(seen.freed, seen.made);
  return 0;
}

/* ---- answers ---- */

static void test_answered_at_once(void **state) {
  host_run(*state, "local v, status = host.now(42, 7)\n"
                   "assert(v == 42 and status == 7)\n"
                   "for i = 1, 1000 do assert(host.now(i) == i) end");
  assert_int_equal(seen.freed, 1001);
}

static void test_answered_before_it_waits(void **state) {
  host_run(*state, "for i = 1, 20 do assert(host.early(i) == i) end");
}

/* The task that opens the gate runs only when the first one waits. */
static void test_answered_while_it_waits(void **state) {
  host_run(*state, "for i = 1, 20 do\n"
                   "  task.spawn(host.open)\n"
                   "  assert(host.gated(i) == i)\n"
                   "end");
  assert_int_equal(seen.freed, 20);
  assert_int_equal(seen.freed_elsewhere, 0);
}

static void test_many_at_once(void **state) {
  host_run(*state, "local tasks = {}\n"
                   "for i = 1, 500 do tasks[i] = task.spawn(host.thread, i) end\n"
                   "for i = 1, 500 do assert(tasks[i]:await() == i) end");
  assert_int_equal(seen.pushed, 500);
}

/* 300 wait, and are answered while nobody turns the loop: in one turn all go on. */
static void test_many_answers_one_wake(void **state) {
  luapool_task *task =
      host_load(*state, "for i = 1, 300 do task.spawn(host.gated, i) end task.sleep(0)");
  while (seen.made < 300) luapool_step(*state, 100000);
  for (int i = 0; i < 300; i++) sem_post(&seen.gate);
  join_threads();
  while (seen.pushed < 300) luapool_step(*state, 100000);
  assert_int_equal(luapool_run(*state, NULL), LUAPOOL_OK);
  assert_int_equal(seen.freed, 300);
  luapool_task_release(task);
}

/* ---- errors ---- */

static void test_results_may_raise(void **state) {
  host_run(*state, "local ok, err = pcall(host.now, 1, -3)\n"
                   "assert(not ok and err:find 'the host failed')\n"
                   "assert(host.now(5) == 5)");
}

/* Without a function for results the status tells. */
static void test_status_becomes_an_error(void **state) {
  static const struct {
    int status;
    const char *kind;
  } rows[] = {{LUAPOOL_ECANCELLED, "cancelled"},
              {LUAPOOL_ETIME, "timeout"},
              {LUAPOOL_EMEMORY, "memory"},
              {LUAPOOL_EDENIED, "denied"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char script[300];
    snprintf(script, sizeof script,
             "task.spawn(host.open)\n"
             "local ok, err = pcall(host.bare, 1, nil, %d)\n"
             "assert(not ok and err.kind == '%s', err.kind)\n"
             "assert(err.message:find 'bare', err.message)",
             rows[i].status, rows[i].kind);
    host_run(*state, script);
  }
  host_run(*state, "task.spawn(host.open)\n"
                   "local ok, err = pcall(host.bare, 1, nil, -77)\n"
                   "assert(not ok and err:find 'bare: failed with status %-77', err)\n"
                   "task.spawn(host.open) assert(select('#', host.bare(1)) == 0)");
}

static int call_outside(lua_State *L) {
  lua_settop(L, 0);
  new_job(L, &bare);
  return 0;
}

static void test_outside_of_a_task(void **state) {
  assert_int_equal(luapool_protect(*state, call_outside, NULL), LUAPOOL_ERUN);
  assert_non_null(strstr(luapool_error(*state), "cannot wait here (bare): no task is running"));
  assert_int_equal(seen.freed, 1);
}

static void test_of_a_class_without_size(void **state) {
  host_run(*state, "local ok, err = pcall(host.sizeless)\n"
                   "assert(err.kind == 'usage' and err.message:find '0 bytes', err)");
}

static void test_where_a_wait_cannot_pass(void **state) {
  host_run(*state, "local ok, err = pcall(table.sort, {3, 1, 2}, function(a, b)\n"
                   "  host.now(1) return a < b\n"
                   "end)\n"
                   "assert(err.kind == 'cannot_wait' and err.message:find 'table.sort', err)");
  assert_int_equal(seen.freed, 1);
}

static void test_of_a_cancelled_task(void **state) {
  host_run(*state, "local t t = task.spawn(function()\n"
                   "  t:cancel()\n"
                   "  assert(kind(pcall(host.now, 1)) == 'cancelled')\n"
                   "  return 'told'\n"
                   "end)\n"
                   "assert(t:await() == 'told')");
  assert_int_equal(seen.freed, 1);
}

static void test_two_calls_of_one_function(void **state) {
  host_run(*state, "local ok, err = pcall(host.twice)\n"
                   "assert(not ok and err.kind == 'usage', err)");
}

static void test_function_fails_before_it_waits(void **state) {
  host_run(*state, "local ok, err = pcall(host.breaks)\n"
                   "assert(not ok and err:find 'broken')\n"
                   "assert(host.now(1) == 1)");
}

/* ---- timeouts, cancellations ---- */

static void test_timeout_without_cancel(void **state) {
  host_run(*state, "local ok, err = pcall(host.gated, 1, 0.001)\n"
                   "assert(not ok and err.kind == 'timeout' and err.message:find 'lookup')\n"
                   "assert(kind(pcall(host.gated, 2, 0)) == 'timeout')");
  assert_int_equal(seen.freed, 0);
  assert_int_equal(seen.pushed, 0);
  sem_post(&seen.gate);
  sem_post(&seen.gate);
  join_threads(); /* both were answered late */
  host_run(*state, "task.sleep(0)");
  assert_int_equal(seen.freed, 2);
  assert_int_equal(seen.freed_elsewhere, 0);
}

static void test_timeout_with_cancel(void **state) {
  seen.answers_in_cancel = true;
  seen.cancel_status = LUAPOOL_ECANCELLED;
  host_run(*state, "assert(kind(pcall(host.stoppable, 1, 0.001)) == 'timeout')");
  assert_int_equal(seen.cancelled, 1);
  assert_int_equal(seen.pushed, 0);
}

/* What was about to be ready is not lost. */
static void test_result_in_cancel(void **state) {
  seen.answers_in_cancel = true;
  host_run(*state, "assert(host.stoppable(9, 0.001) == 9)");
  assert_int_equal(seen.cancelled, 1);
}

static void test_cancelled_task(void **state) {
  seen.answers_in_cancel = true;
  seen.cancel_status = LUAPOOL_ECANCELLED;
  host_run(*state, "local function wait(f)\n"
                   "  local t = task.spawn(f, 1)\n"
                   "  task.sleep(0)\n"
                   "  t:cancel 'enough'\n"
                   "  local ok, err = t:result()\n"
                   "  assert(err.kind == 'cancelled' and err.reason == 'enough')\n"
                   "end\n"
                   "wait(host.stoppable) wait(host.gated)\n"
                   "host.open()");
  assert_int_equal(seen.cancelled, 1);
  assert_int_equal(seen.pushed, 0);
}

/* The thread has answered, and the loop has not turned since. */
static void test_answered_and_cancelled(void **state) {
  luapool_task *task = host_load(*state, "return host.gated(3)");
  while (seen.made < 1) luapool_step(*state, 100000);
  sem_post(&seen.gate);
  join_threads();
  luapool_task_cancel(task);
  luapool_run(*state, task);
  int status = luapool_task_status(task);
  assert_true(status == LUAPOOL_OK || status == LUAPOOL_ECANCELLED);
  luapool_task_release(task);
}

/* ---- the loop ---- */

/* A thread will answer, so this is no deadlock. */
static void test_keeps_the_loop_alive(void **state) {
  luapool_task *task = host_load(*state, "return host.gated(3)");
  while (seen.made < 1) luapool_step(*state, 100000);
  assert_int_equal(luapool_step(*state, 1000), LUAPOOL_OK);
  sem_post(&seen.gate);
  assert_int_equal(luapool_run(*state, task), LUAPOOL_OK);
  luapool_task_release(task);
}

/* Nobody waits for the one whose task has gone on. */
static void test_dropped_one_does_not(void **state) {
  host_run(*state, "pcall(host.gated, 1, 0.001)");
  luapool_task *task = host_load(*state, "task.promise():await()");
  assert_int_equal(luapool_run(*state, task), LUAPOOL_EDEADLOCK);
  luapool_task_release(task);
}

static void test_dump_names_it(void **state) {
  host_run(*state, "local t = task.spawn(host.gated, 1)\n"
                   "task.sleep(0)\n"
                   "assert(host.dump():find 'waits for lookup for', host.dump())\n"
                   "host.open()\n"
                   "t:result()");
}

/* ---- close ---- */

/* What was not answered when the runtime closed is freed by the answer. */
static void test_answered_after_close(void **state) {
  luapool_task *task = host_load(*state, "task.spawn(host.gated, 1) return host.gated(2)");
  while (seen.made < 2) luapool_step(*state, 100000);
  luapool_close(*state);
  *state = NULL;
  assert_int_equal(seen.freed, 0);
  sem_post(&seen.gate);
  sem_post(&seen.gate);
  join_threads();
  assert_int_equal(seen.freed, 2);
  assert_int_equal(seen.freed_elsewhere, 2);
  assert_int_equal(seen.pushed, 0);
  luapool_task_release(task);
}

static void test_close_cancels(void **state) {
  seen.answers_in_cancel = true;
  seen.cancel_status = LUAPOOL_ECANCELLED;
  luapool_task *task = host_load(*state, "return host.stoppable(2)");
  while (seen.made < 1) luapool_step(*state, 100000);
  luapool_close(*state);
  *state = NULL;
  assert_int_equal(seen.cancelled, 1);
  assert_int_equal(seen.freed, 1);
  assert_int_equal(seen.freed_elsewhere, 0);
  luapool_task_release(task);
}

/* Threads answer while the runtime closes; each call is freed by one side. */
static void test_close_while_threads_answer(void **state) {
  for (int round = 0; round < 30; round++) {
    int made = seen.made;
    luapool_task *task = host_load(*state, "for i = 1, 20 do task.spawn(host.gated, i) end\n"
                                           "return host.gated(0)");
    while (seen.made < made + 21) luapool_step(*state, 100000);
    for (int i = 0; i < 21; i++) sem_post(&seen.gate);
    if (round % 3 == 1) luapool_step(*state, 1000);
    close_all(state);
    assert_int_equal(seen.freed, seen.made);
    luapool_task_release(task);
    *state = host_open(open_host);
  }
}

/* ---- another thread holds the runtime ---- */

static void *run_there(void *rt) {
  host_run(rt, "task.spawn(host.open) assert(host.gated(1) == 1)");
  return NULL;
}

static void test_runtime_changes_its_thread(void **state) {
  for (int i = 0; i < 10; i++) {
    pthread_t thread;
    pthread_create(&thread, NULL, run_there, *state);
    pthread_join(thread, NULL);
    run_there(*state);
  }
}

#define call_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      call_test(test_answered_at_once),
      call_test(test_answered_before_it_waits),
      call_test(test_answered_while_it_waits),
      call_test(test_many_at_once),
      call_test(test_many_answers_one_wake),
      call_test(test_results_may_raise),
      call_test(test_status_becomes_an_error),
      call_test(test_outside_of_a_task),
      call_test(test_of_a_class_without_size),
      call_test(test_where_a_wait_cannot_pass),
      call_test(test_of_a_cancelled_task),
      call_test(test_two_calls_of_one_function),
      call_test(test_function_fails_before_it_waits),
      call_test(test_timeout_without_cancel),
      call_test(test_timeout_with_cancel),
      call_test(test_result_in_cancel),
      call_test(test_cancelled_task),
      call_test(test_answered_and_cancelled),
      call_test(test_keeps_the_loop_alive),
      call_test(test_dropped_one_does_not),
      call_test(test_dump_names_it),
      call_test(test_answered_after_close),
      call_test(test_close_cancels),
      call_test(test_close_while_threads_answer),
      call_test(test_runtime_changes_its_thread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
