/* tests/unit/test_step.c: a host drives a runtime by steps, on a clock and a loop of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <lauxlib.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "runtime/api/modules.h"
#include "runtime/base/error.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/step.h"
#include "runtime/loop/task.h"
#include "tests/support/clean.h"

/* ---- a runtime ---- */

typedef struct fixture {
  clean clean;
  lp_state st;
  int64_t now; /* of the host's clock, in microseconds */
} fixture;

static int64_t host_clock(void *user) {
  return ((fixture *)user)->now;
}

static int open_test(lua_State *L) {
  lp_modules_open(L);
  return luaL_dostring(L, "task = require 'luapool.task'") ? lua_error(L) : 0;
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  f->clean.fds = clean_count_fds();
  *state = f;
  int rc = uv_loop_init(&f->clean.loop);
  return rc ? rc : lp_state_open(&f->st, &(lp_state_options){.modules = open_test});
}

/* The same with what the options say more. */
static void reopen(fixture *f, lp_state_options o) {
  assert_int_equal(lp_state_close(&f->st), 0);
  o.modules = open_test;
  assert_int_equal(lp_state_open(&f->st, &o), 0);
}

static int teardown(void **state) {
  fixture *f = *state;
  assert_int_equal(lp_state_close(&f->st), 0);
  return clean_teardown(state);
}

static void spawn(fixture *f, const char *source) {
  assert_int_equal(luaL_loadstring(f->st.L, source), LUA_OK);
  lp_task_spawn(f->st.L, 0);
}

static lua_Integer global(fixture *f, const char *name) {
  lua_getglobal(f->st.L, name);
  lua_Integer n = lua_tointeger(f->st.L, -1);
  lua_pop(f->st.L, 1);
  return n;
}

static double cpu_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

enum { LONG = 1000000 };

/* ---- what a step does and returns ---- */

static void test_a_step_runs_until_all_wait(void **state) {
  fixture *f = *state;
  spawn(f, "n = 0 for i = 1, 2000 do task.spawn(function()"
           " for _ = 1, 10 do task.yield() end n = n + 1 task.sleep(1000) end) end");
  assert_int_equal(lp_step_timeout_us(&f->st), 0);
  assert_int_equal(lp_step(&f->st, 10 * LONG), 0);
  assert_int_equal(global(f, "n"), 2000);
  assert_in_range(lp_step_timeout_us(&f->st), 900 * (int64_t)LONG, 1000 * (int64_t)LONG);
  assert_int_equal(lp_step(&f->st, 10 * LONG), 0);
}

/* How far a task comes in a step; a tick may come before it does. */
static lua_Integer go_on(fixture *f, int64_t us) {
  lua_Integer before = global(f, "n");
  for (int i = 0; i < 100 && global(f, "n") == before; i++)
    assert_int_equal(lp_step(&f->st, us), LP_MORE);
  return global(f, "n") - before;
}

static void test_a_step_without_time_does_one_turn(void **state) {
  fixture *f = *state;
  spawn(f, "n = 0 while true do n = n + 1 task.yield() end");
  assert_in_range(go_on(f, 0), 1, 512);
  assert_true(go_on(f, -5) > 0);
}

/* Of tasks that yield all the time; those that do not are another test's. */
static void test_a_step_ends_in_time(void **state) {
  fixture *f = *state;
  enum { STEPS = 100 };
  spawn(f, "for i = 1, 100 do task.spawn(function() while true do task.yield() end end) end");
  int late = 0;
  for (int i = 0; i < STEPS; i++) {
    double before = cpu_ms();
    assert_int_equal(lp_step(&f->st, 2000), LP_MORE);
    late += cpu_ms() - before > 2.5;
  }
  assert_in_range(late, 0, STEPS / 20);
}

static void test_an_empty_runtime_has_nothing_to_do(void **state) {
  fixture *f = *state;
  assert_int_equal(lp_step(&f->st, 1000), 0);
  assert_int_equal(lp_step_timeout_us(&f->st), -1);
}

static int step_inside(lua_State *L) {
  lua_pushinteger(L, lp_step(lp_state_of(L), 1000));
  return 1;
}

static int close_inside(lua_State *L) {
  lua_pushinteger(L, lp_state_close(lp_state_of(L)));
  return 1;
}

static void test_a_step_inside_of_a_step_is_refused(void **state) {
  fixture *f = *state;
  lua_register(f->st.L, "step", step_inside);
  lua_register(f->st.L, "close", close_inside);
  spawn(f, "a, b = step(), close()");
  assert_int_equal(lp_step(&f->st, LONG), 0);
  assert_int_equal(global(f, "a"), LP_EINSIDE);
  assert_int_equal(global(f, "b"), LP_EINSIDE);
  spawn(f, "a, b = step(), close()");
  uv_run(f->st.loop, UV_RUN_DEFAULT);
  assert_int_equal(global(f, "a"), LP_EINSIDE);
}

/* ---- in another loop ---- */

static void test_descriptor_and_timeout_wake_the_host(void **state) {
  fixture *f = *state;
  spawn(f, "local fs = require 'luapool.fs'"
           " for i = 1, 20 do task.spawn(function()"
           "   task.sleep(i / 1000) local text = fs.read('/proc/self/stat') n = (n or 0) + 1 "
           " end) end");
  lp_step(&f->st, 0);
  struct pollfd p = {.fd = lp_step_fd(&f->st), .events = POLLIN};
  for (int64_t us; lp_task_next(&f->st, &(int){0}); lp_step(&f->st, 1000)) {
    us = lp_step_timeout_us(&f->st);
    assert_true(us != 0 || lp_loop_has_work(&f->st) || lp_timer_first(&f->st.timers));
    poll(&p, 1, us < 0 ? 10000 : (int)((us + 999) / 1000));
  }
  assert_int_equal(global(f, "n"), 20);
}

typedef struct letter {
  lp_mail mail;
  bool came;
} letter;

static void on_mail(lp_mail *m) {
  ((letter *)m)->came = true;
}

static void *post(void *of) {
  fixture *f = of;
  static letter l = {.mail.run = on_mail};
  lp_list_init(&l.mail.link);
  l.came = false;
  lp_mailbox_post(f->st.mailbox, &l.mail);
  return &l;
}

/* Also when nothing is active in the loop, which does not poll then by itself. */
static void test_mail_of_a_thread_wakes_the_host(void **state) {
  fixture *f = *state;
  pthread_t thread;
  void *l;
  assert_int_equal(lp_step(&f->st, 1000), 0);
  pthread_create(&thread, NULL, post, f);
  struct pollfd p = {.fd = lp_step_fd(&f->st), .events = POLLIN};
  assert_int_equal(poll(&p, 1, 10000), 1);
  pthread_join(thread, &l);
  assert_int_equal(lp_step(&f->st, 1000), 0);
  assert_true(((letter *)l)->came);
  assert_int_equal(poll(&p, 1, 0), 0);
}

/* ---- to be interrupted ---- */

static void *interrupt(void *of) {
  lp_step_interrupt(&((fixture *)of)->st);
  return NULL;
}

static void test_a_thread_interrupts_the_loop(void **state) {
  fixture *f = *state;
  pthread_t thread;
  spawn(f, "task.sleep(1000)");
  lp_step(&f->st, 0);
  pthread_create(&thread, NULL, interrupt, f);
  uv_run(f->st.loop, UV_RUN_DEFAULT);
  pthread_join(thread, NULL);
  assert_true(lp_step_interrupted(&f->st));
  assert_false(lp_step_interrupted(&f->st));
}

static lp_state *volatile signalled;

static void on_signal(int signum) {
  (void)signum;
  lp_step_interrupt(signalled);
}

static void test_a_signal_handler_interrupts_a_step(void **state) {
  fixture *f = *state;
  signalled = &f->st;
  void (*before)(int) = signal(SIGALRM, on_signal);
  struct itimerspec soon = {.it_value.tv_nsec = 5000000};
  timer_t timer;
  spawn(f, "while true do task.yield() end");
  assert_int_equal(timer_create(CLOCK_MONOTONIC, NULL, &timer), 0);
  assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
  assert_int_equal(lp_step(&f->st, 3600 * (int64_t)LONG),
                   LP_MORE); /* else the test has no end */
  timer_delete(timer);
  signal(SIGALRM, before);
}

/* ---- the clock of the host ---- */

static void test_timers_stand_on_the_clock_of_the_host(void **state) {
  fixture *f = *state;
  f->now = 5000000000;
  reopen(f, (lp_state_options){.clock = host_clock, .user = f});
  spawn(f, "local began = task.now() task.sleep(3600) n = math.floor(task.now() - began)"
           " local ok, e = pcall(task.timeout, 60, task.sleep, 1e6)"
           " late = ok and 0 or 1");
  assert_int_equal(lp_step(&f->st, LONG), 0);
  usleep(3000); /* the clock of the machine, which goes on, does not count */
  assert_int_equal(lp_step_timeout_us(&f->st), 3600 * (int64_t)LONG);
  f->now += 3599 * (int64_t)LONG;
  assert_int_equal(lp_step(&f->st, LONG), 0);
  assert_int_equal(global(f, "n"), 0);
  f->now += LONG;
  assert_int_equal(lp_step(&f->st, LONG), 0);
  assert_int_equal(global(f, "n"), 3600);
  assert_int_equal(lp_step_timeout_us(&f->st), 60 * (int64_t)LONG);
  f->now += 61 * (int64_t)LONG;
  assert_int_equal(lp_step(&f->st, LONG), 0);
  assert_int_equal(global(f, "late"), 1);
}

/* 10,000 tasks that sleep for times which random numbers and the order of a table decide, and
 * write down who comes when. A step has no end here, so all that can run runs in it. */
static const char TASKS[] =
    "local names, log, live = {}, {}, 0 "
    "for i = 1, 10000 do names['task ' .. i] = i end "
    "for name, i in pairs(names) do live = live + 1 task.spawn(function() "
    "  for round = 1, 3 do "
    "    task.sleep(math.random(0, 50) / 1000) "
    "    if i % 3 == 0 then task.yield() end "
    "    log[#log + 1] = name "
    "  end "
    "  live = live - 1 "
    "  if live == 0 then "
    "    local sum = 0 "
    "    for at, who in ipairs(log) do sum = (sum * 31 + names[who] * at) & 0xffffffffffff end "
    "    result = sum "
    "  end "
    "end) end";

static lua_Integer order_of_tasks(uint64_t seed) {
  fixture f = {.now = 1000};
  lp_state_options o = {.modules = open_test, .clock = host_clock, .user = &f, .seed = seed};
  if (lp_state_open(&f.st, &o) < 0) return -1;
  spawn(&f, TASKS);
  for (int frame = 0; frame < 20 && global(&f, "result") == 0; frame++) {
    while (lp_step(&f.st, 60 * (int64_t)LONG) == LP_MORE) {
    }
    f.now += 16667;
  }
  lua_Integer result = global(&f, "result");
  lp_state_close(&f.st);
  return result;
}

static lua_Integer order_elsewhere(uint64_t seed) {
  char command[200], program[100] = "", text[100] = "";
  assert_true(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
  snprintf(command, sizeof command, "'%s' order %llu", program, (unsigned long long)seed);
  FILE *p = popen(command, "r");
  assert_non_null(p);
  assert_non_null(fgets(text, sizeof text, p));
  assert_int_equal(pclose(p), 0);
  return atoll(text);
}

static void test_seed_and_clock_decide_the_order_of_tasks(void **state) {
  (void)state;
  lua_Integer first = order_elsewhere(99);
  assert_true(first > 0);
  assert_int_equal(order_elsewhere(99), first);
  assert_int_equal(order_of_tasks(99), first);
  assert_int_not_equal(order_of_tasks(98), first);
  assert_int_equal(order_of_tasks(7), 50380380023961); /* on each machine, with each Lua 5.4 */
}

/* ---- the collector ---- */

static void test_steps_collect_what_tasks_drop(void **state) {
  fixture *f = *state;
  spawn(f, "kept = {} for i = 1, 20000 do kept[i] = {i} end"
           " while true do for i = 1, 100 do local dropped = {i, {}} end task.yield() end");
  size_t most = 0;
  for (int i = 0; i < 400; i++) {
    assert_int_equal(lp_step(&f->st, 1000), LP_MORE);
    if (f->st.heap.used > most) most = f->st.heap.used;
  }
  assert_true(f->st.collect.by_hand);
  assert_int_equal(lua_gc(f->st.L, LUA_GCISRUNNING), 0);
  assert_in_range(most, 1 << 20, 40 << 20);
  uv_run(f->st.loop, UV_RUN_NOWAIT);
  assert_int_equal(lua_gc(f->st.L, LUA_GCISRUNNING), 1);
}

static void test_collectgarbage_within_steps(void **state) {
  fixture *f = *state;
  spawn(f, "weak = setmetatable({{}}, {__mode = 'v'})"
           " n = collectgarbage() running = collectgarbage('isrunning') and 1 or 0"
           " mode = collectgarbage('generational') == 'incremental' and 1 or 0"
           " while weak[1] do task.yield() end collected = 1"
           " collectgarbage('stop') stopped = collectgarbage('isrunning') and 0 or 1"
           " ok = pcall(collectgarbage, 'nonsense') bad = ok and 0 or 1"
           " many = collectgarbage('count') > 10 and 1 or 0");
  while (lp_step(&f->st, 1000) == LP_MORE) {
  }
  assert_int_equal(global(f, "n"), 0);
  const char *const yes[] = {"running", "mode", "collected", "stopped", "bad", "many"};
  for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) assert_int_equal(global(f, yes[i]), 1);
}

static void test_a_collection_for_a_loading_screen(void **state) {
  fixture *f = *state;
  assert_int_equal(luaL_dostring(f->st.L, "big = {} for i = 1, 200000 do big[i] = {i} end"), 0);
  assert_int_equal(luaL_dostring(f->st.L, "big = nil"), 0);
  size_t before = f->st.heap.used;
  int calls = 1;
  for (; lp_collect_for(&f->st, 1000) == LP_MORE; calls++) assert_true(calls < 1000);
  assert_true(calls > 1);
  assert_true(f->st.heap.used < before / 2);
  assert_int_equal(lp_collect_for(&f->st, 10 * LONG), 0);
}

/* ---- the ceiling of memory ---- */

static struct { int code, calls; } broken;

static void on_limit(lp_state *st, int code, lp_task *task, const char *traceback) {
  (void)st;
  assert_non_null(task);
  assert_non_null(strstr(traceback, "stack traceback"));
  broken.code = code;
  broken.calls++;
}

/* Each of very many tasks wants more, catches what it gets, and goes on. */
static const char HUNGRY[] = "first = 1 for i = 1, 1e7 do task.spawn(function()"
                             " while true do pcall(task.sleep, 1000) end end) end";

static void starve(fixture *f) {
  memset(&broken, 0, sizeof broken);
  reopen(f, (lp_state_options){.close_us = 300000});
  f->st.limit = on_limit;
  lp_heap_set_limit(&f->st.heap, 32 << 20);
}

/* Lua would collect all garbage in each allocation that is refused: that took 13 seconds. */
static void test_at_the_ceiling_a_task_is_ended_soon(void **state) {
  fixture *f = *state;
  starve(f);
  lp_interrupt_open(&f->st, SIGVTALRM);
  spawn(f, HUNGRY);
  double before = cpu_ms();
  while (broken.calls == 0) uv_run(f->st.loop, UV_RUN_ONCE);
  assert_int_equal(broken.code, LP_EMEMORY);
  assert_true(lp_task_next(&f->st, &(int){0}) != NULL); /* the others live */
  assert_int_equal(lp_state_close(&f->st), 0);
  assert_true(cpu_ms() - before < 3000);
}

/* The same in steps, each of which ends in its time all the same. */
static void test_at_the_ceiling_steps_end_in_time(void **state) {
  fixture *f = *state;
  starve(f);
  lp_interrupt_open(&f->st, SIGVTALRM);
  spawn(f, HUNGRY);
  int late = 0, steps = 0;
  for (; broken.calls == 0; steps++) {
    assert_true(steps < 20000);
    double before = cpu_ms();
    lp_step(&f->st, 2000);
    late += cpu_ms() - before > 8;
  }
  assert_int_equal(broken.code, LP_EMEMORY);
  assert_in_range(late, 0, steps / 20 + 2);
}

/* Garbage is no reason to end anything. */
static void test_garbage_does_not_come_to_the_ceiling(void **state) {
  fixture *f = *state;
  starve(f);
  lp_interrupt_open(&f->st, SIGVTALRM);
  spawn(
      f,
      "collectgarbage('stop') for i = 1, 300000 do local t = {i, {}, {}, 'x' .. i} end n = 1");
  uv_run(f->st.loop, UV_RUN_DEFAULT);
  assert_int_equal(global(f, "n"), 1);
  spawn(
      f,
      "collectgarbage('stop') for i = 1, 300000 do local t = {i, {}, {}, 'x' .. i} end n = 2");
  while (lp_step(&f->st, 2000) == LP_MORE) {
  }
  assert_int_equal(global(f, "n"), 2);
  assert_int_equal(broken.calls, 0);
}

/* ---- closing ---- */

/* Returns how many milliseconds of CPU it took. */
static double close_with(fixture *f, int signum, const char *source) {
  reopen(f, (lp_state_options){.close_us = 50000});
  f->st.limits.block_us = 10000; /* else a callback of table.sort never ends */
  assert_int_equal(lp_interrupt_open(&f->st, signum), 0);
  spawn(f, source);
  lp_step(&f->st, 3000);
  double before = cpu_ms();
  assert_int_equal(lp_state_close(&f->st), 0);
  return cpu_ms() - before;
}

/* Whatever scripts do, with a signal and without one, and at slice 0. */
static void test_close_ends_in_time(void **state) {
  fixture *f = *state;
  static const char *const scripts[] = {
      "while true do pcall(task.sleep, 1) end",
      "while true do end",
      "task.spawn(function() while true do pcall(error) end end) task.sleep(1000)",
      "local c <close> = setmetatable({}, {__close = function() while true do end end})"
      " task.sleep(1000)",
      "g = setmetatable({}, {__gc = function() while true do end end})",
      "for i = 1, 100 do setmetatable({}, {__gc = function() while true do end end}) end"
      " while true do task.yield() end",
      "table.sort({1, 2, 3}, function() while true do end end)",
      "local function again() task.spawn(again) end again() task.sleep(1000)",
  };
  clean_skip_under_tsan();
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
    double with = close_with(f, SIGVTALRM, scripts[i]), without = close_with(f, 0, scripts[i]);
    if (with > 500 || without > 500)
      fail_msg("%s: %.0f and %.0f ms", scripts[i], with, without);
  }
}

/* When the time is over one tick has come, and no other will: not for the tasks after the first
 * one either, which are resumed to be ended. */
static void test_close_ends_tasks_after_its_time(void **state) {
  fixture *f = *state;
  clean_skip_under_tsan();
  reopen(f, (lp_state_options){.close_us = 20000});
  f->st.limits = (lp_limits){0};
  assert_int_equal(lp_interrupt_open(&f->st, SIGVTALRM), 0);
  for (int i = 0; i < 5; i++)
    spawn(f, "while true do pcall(function() while true do end end) end");
  for (int i = 0; i < 10; i++) assert_int_equal(lp_step(&f->st, 1000), LP_MORE);
  alarm(60);
  assert_int_equal(lp_state_close(&f->st), 0);
  alarm(0);
}

/* ---- a loop of the host ---- */

static void count(uv_timer_t *timer) {
  ++*(int *)timer->data;
}

static void test_a_loop_of_the_host_turns_that_of_the_runtime(void **state) {
  fixture *f = *state;
  reopen(f, (lp_state_options){.loop = &f->clean.loop});
  spawn(f, "n = 0 for i = 1, 100 do task.spawn(function()"
           " task.sleep(i / 10000) task.yield() n = n + 1 end) end"
           " text = require('luapool.fs').read('/proc/self/stat') size = #text");
  uv_run(&f->clean.loop, UV_RUN_DEFAULT); /* it has no end before they have ended */
  assert_int_equal(global(f, "n"), 100);
  assert_true(global(f, "size") > 10);
}

static void test_mail_wakes_the_loop_of_the_host(void **state) {
  fixture *f = *state;
  reopen(f, (lp_state_options){.loop = &f->clean.loop});
  pthread_t thread;
  void *l;
  lp_mailbox_expect(f->st.mailbox);
  uv_run(&f->clean.loop, UV_RUN_NOWAIT);
  pthread_create(&thread, NULL, post, f);
  uv_run(&f->clean.loop, UV_RUN_ONCE);
  pthread_join(thread, &l);
  uv_run(&f->clean.loop, UV_RUN_NOWAIT);
  assert_true(((letter *)l)->came);
  lp_mailbox_done(f->st.mailbox);
}

static void test_steps_and_close_run_nothing_of_the_host(void **state) {
  fixture *f = *state;
  reopen(f, (lp_state_options){.loop = &f->clean.loop});
  int calls = 0;
  uv_timer_t timer;
  uv_timer_init(&f->clean.loop, &timer);
  timer.data = &calls;
  uv_timer_start(&timer, count, 0, 1);
  spawn(f, "task.sleep(0.01) n = 1 task.shield(task.sleep, 0.02)");
  while (global(f, "n") == 0) lp_step(&f->st, 1000);
  lp_state_close(&f->st);
  assert_int_equal(calls, 0);
  uv_run(&f->clean.loop, UV_RUN_ONCE);
  assert_true(calls > 0);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&f->clean.loop, UV_RUN_DEFAULT);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv) {
  if (argc == 3) {
    printf("%lld\n", (long long)order_of_tasks(strtoull(argv[2], NULL, 10)));
    return 0;
  }
  const struct CMUnitTest tests[] = {
      test(test_a_step_runs_until_all_wait),
      test(test_a_step_without_time_does_one_turn),
      test(test_a_step_ends_in_time),
      test(test_an_empty_runtime_has_nothing_to_do),
      test(test_a_step_inside_of_a_step_is_refused),
      test(test_descriptor_and_timeout_wake_the_host),
      test(test_mail_of_a_thread_wakes_the_host),
      test(test_a_thread_interrupts_the_loop),
      test(test_a_signal_handler_interrupts_a_step),
      test(test_timers_stand_on_the_clock_of_the_host),
      cmocka_unit_test(test_seed_and_clock_decide_the_order_of_tasks),
      test(test_steps_collect_what_tasks_drop),
      test(test_collectgarbage_within_steps),
      test(test_a_collection_for_a_loading_screen),
      test(test_at_the_ceiling_a_task_is_ended_soon),
      test(test_at_the_ceiling_steps_end_in_time),
      test(test_garbage_does_not_come_to_the_ceiling),
      test(test_close_ends_in_time),
      test(test_close_ends_tasks_after_its_time),
      test(test_a_loop_of_the_host_turns_that_of_the_runtime),
      test(test_mail_wakes_the_loop_of_the_host),
      test(test_steps_and_close_run_nothing_of_the_host),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
