/* tests/unit/test_task.c: tasks and operations from C: started, finished, stopped, closed.
 *
 * Scripts wait with wait([seconds]) for an operation that the test finishes from outside, as a
 * callback of libuv would. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <lauxlib.h>

#include "runtime/base/error.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/op.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"
#include "runtime/api/modules.h"
#include "tests/support/clean.h"

/* ---- an operation in the hands of the test ---- */

typedef struct waiting {
  lp_op op;
  int value; /* the result */
} waiting;

static struct {
  waiting *op;           /* the latest made, held by the test */
  int cancels, closes;   /* calls of the class's functions */
  int why;               /* of the latest cancel */
  int fail_start;        /* wait() fails to start with this code */
  char reported[500];    /* what the host was told last */
  int reports, ended_as; /* how often; status of the latest task that ended */
} seen;

static void on_cancel(lp_op *op, int why) {
  (void)op;
  seen.cancels++;
  seen.why = why;
}

static int push_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  lua_pushinteger(L, ((waiting *)op)->value);
  return 1;
}

static void on_close(lp_op *op) {
  (void)op;
  seen.closes++;
}

/* One that takes its time to stop, and one that is dropped at once and completes late. */
static const lp_op_class stoppable = {
    .name = "stoppable", .cancel = on_cancel, .results = push_results, .close = on_close};
static const lp_op_class droppable = {
    .name = "droppable", .results = push_results, .close = on_close};

static int start_wait(lua_State *L, const lp_op_class *class) {
  double timeout = luaL_optnumber(L, 1, -1);
  waiting *w = lp_op_new(L, class, sizeof *w);
  if (seen.fail_start) {
    lp_op_finish(&w->op, seen.fail_start);
  } else {
    lp_op_hold(&w->op);
    seen.op = w;
  }
  return lp_op_await(L, &w->op, timeout);
}

static int wait_stoppable(lua_State *L) {
  return start_wait(L, &stoppable);
}

static int wait_droppable(lua_State *L) {
  return start_wait(L, &droppable);
}

static void finish(int status, int value) {
  waiting *w = seen.op;
  w->value = value;
  lp_op_finish(&w->op, status);
  seen.op = NULL;
  lp_op_release(&w->op);
}

/* ---- a runtime on the test's loop ---- */

typedef struct fixture {
  clean clean;
  lp_state st;
} fixture;

static void on_text(lp_state *st, int kind, const char *bytes, size_t len) {
  (void)st;
  if (kind != LP_TEXT_ERROR) return;
  seen.reports++;
  snprintf(seen.reported, sizeof seen.reported, "%.*s", (int)len, bytes);
}

static int open_test(lua_State *L) {
  lp_modules_open(L);
  lua_register(L, "wait", wait_stoppable);
  lua_register(L, "wait_droppable", wait_droppable);
  return luaL_dostring(L,
                       "task = debug.getregistry()['luapool.env'].require 'luapool.task.core'")
             ? lua_error(L)
             : 0;
}

static int setup(void **state) {
  fixture *f = calloc(1, sizeof *f);
  memset(&seen, 0, sizeof seen);
  f->clean.fds = clean_count_fds();
  *state = f;
  int rc = uv_loop_init(&f->clean.loop);
  if (rc == 0)
    rc = lp_state_open(&f->st,
                       &(lp_state_options){.loop = &f->clean.loop, .modules = open_test});
  f->st.text = on_text;
  return rc;
}

static int teardown(void **state) {
  fixture *f = *state;
  lp_state_close(&f->st);
  lp_state_close(&f->st);
  return clean_teardown(state);
}

static void on_end(lp_task *t, lua_State *co, int nres) {
  (void)co, (void)nres;
  seen.ended_as = (int)t->status;
}

/* Starts a task that runs `source` and turns the loop once. */
static lp_task *spawn(fixture *f, const char *source) {
  seen.ended_as = -1;
  assert_int_equal(luaL_loadstring(f->st.L, source), LUA_OK);
  lp_task *t = lp_task_spawn(f->st.L, 0);
  lp_task_own(t, on_end, NULL);
  uv_run(f->st.loop, UV_RUN_NOWAIT);
  return t;
}

static void turn(fixture *f) {
  uv_run(f->st.loop, UV_RUN_NOWAIT);
}

static void expect_global(fixture *f, const char *name, const char *value) {
  lua_getglobal(f->st.L, name);
  assert_string_equal(luaL_tolstring(f->st.L, -1, NULL), value);
  lua_pop(f->st.L, 2);
}

/* ---- operations ---- */

static void test_op_gives_its_result(void **state) {
  fixture *f = *state;
  spawn(f, "got = wait() + wait()");
  assert_int_equal(seen.ended_as, -1);
  finish(0, 40);
  turn(f);
  assert_int_equal(seen.closes, 1);
  finish(0, 2);
  turn(f);
  expect_global(f, "got", "42");
  assert_int_equal(seen.ended_as, LP_TASK_DONE);
  assert_int_equal(seen.closes, 2);
}

static void test_op_fails_to_start(void **state) {
  fixture *f = *state;
  seen.fail_start = LP_ETOO_LARGE;
  spawn(f, "turns = 0; task.spawn(function() turns = 1 end)"
           "ok, e = pcall(wait); at = turns; kind = e.kind; e = tostring(e)");
  expect_global(f, "ok", "false");
  expect_global(f, "kind", "too_large");
  expect_global(f, "e",
                "[string \"turns = 0; task.spawn(function() turns = 1 en...\"]:1: "
                "stoppable: too large");
  expect_global(f, "at", "0"); /* it was raised without suspending */
  assert_int_equal(seen.closes, 1);
}

static void test_op_has_a_deadline(void **state) {
  fixture *f = *state;
  spawn(f, "ok, e = pcall(wait, 0); kind = e.kind");
  while (!seen.cancels) uv_run(f->st.loop, UV_RUN_ONCE);
  assert_int_equal(seen.why, LP_ETIMEOUT);
  turn(f);
  assert_int_equal(seen.ended_as, -1); /* it sleeps on until what was started has stopped */
  finish(seen.why, 0);
  turn(f);
  expect_global(f, "kind", "timeout");
}

/* There is no memory for a deadline, until the task is dropped as by os.exit. */
static int starve(lua_State *L) {
  lp_state_of(L)->timers = (lp_timers){.len = UINT32_MAX, .cap = UINT32_MAX};
  return 0;
}

static int drop_starved(lua_State *L) {
  lp_state *st = lp_state_of(L);
  st->timers = (lp_timers){0};
  lp_task_drop(st->current);
  return 0;
}

static void test_op_without_memory_for_its_deadline(void **state) {
  fixture *f = *state;
  lua_register(f->st.L, "starve", starve);
  lua_register(f->st.L, "drop_starved", drop_starved);
  spawn(f, "starve() ok, e = pcall(task.sleep, 1000) drop_starved() kind = e.kind");
  expect_global(f, "kind", "memory");
}

static void test_op_that_beats_its_deadline(void **state) {
  fixture *f = *state;
  spawn(f, "got = wait(1000)");
  finish(0, 7);
  turn(f);
  expect_global(f, "got", "7");
  assert_null(lp_timer_first(&f->st.timers));
  assert_int_equal(seen.cancels, 0);
  turn(f);
  assert_false(uv_loop_alive(f->st.loop)); /* the deadline keeps nothing alive any more */
}

static void test_op_dropped_completes_late(void **state) {
  fixture *f = *state;
  lp_task *t = spawn(f, "ok, e = pcall(wait_droppable); kind = e.kind; later = wait()");
  waiting *first = seen.op;
  lp_task_stop(t);
  turn(f);
  expect_global(f, "kind", "cancelled");
  assert_int_equal(seen.ended_as, LP_TASK_CANCELLED); /* the later wait has raised */
  assert_int_equal(seen.closes, 0);                   /* it is held from outside */
  first->value = 99;
  finish(0, 99);
  turn(f);
  assert_int_equal(seen.closes, 1);
  expect_global(f, "later", "nil");
}

static void test_op_finished_twice(void **state) {
  fixture *f = *state;
  spawn(f, "got = wait(); again = wait()");
  waiting *w = seen.op;
  lp_op_hold(&w->op);
  finish(0, 1);
  lp_op_finish(&w->op, LP_ETOO_LARGE);
  lp_op_stop(&w->op, LP_ECANCELLED);
  lp_op_release(&w->op);
  turn(f);
  expect_global(f, "got", "1");
  assert_int_equal(seen.cancels, 0);
  finish(0, 2);
  turn(f);
  expect_global(f, "again", "2");
}

static void test_op_is_stopped_once(void **state) {
  fixture *f = *state;
  lp_task *t = spawn(f, "wait()");
  assert_true(lp_task_stop(t));
  assert_true(lp_task_stop(t));
  assert_int_equal(seen.cancels, 1);
  assert_int_equal(seen.why, LP_ECANCELLED);
  finish(seen.why, 0);
  turn(f);
  assert_int_equal(seen.ended_as, LP_TASK_CANCELLED);
}

/* It finished well just before the cancel came: the result counts, the next wait raises. */
static void test_op_finishes_before_the_cancel(void **state) {
  fixture *f = *state;
  lp_task *t = spawn(f, "got = wait(); wait(); got = 'not reached'");
  finish(0, 5);
  lp_task_stop(t);
  turn(f);
  expect_global(f, "got", "5");
  assert_int_equal(seen.ended_as, LP_TASK_CANCELLED);
}

/* ---- tasks ---- */

static void test_task_cancelled_before_it_runs(void **state) {
  fixture *f = *state;
  luaL_loadstring(f->st.L, "ran = true");
  lp_task *t = lp_task_spawn(f->st.L, 0);
  lp_task_own(t, on_end, NULL);
  assert_true(lp_task_stop(t));
  turn(f);
  assert_int_equal(seen.ended_as, LP_TASK_CANCELLED);
  expect_global(f, "ran", "nil");
}

static void test_task_fails_and_is_reported_once(void **state) {
  fixture *f = *state;
  spawn(f, "t = task.spawn(function() error('oh no', 0) end); t = nil");
  turn(f);
  lua_gc(f->st.L, LUA_GCCOLLECT);
  assert_int_equal(seen.reports, 1);
  assert_memory_equal(seen.reported, "oh no\nstack traceback:", 22);
}

static void test_task_awaited_is_not_reported(void **state) {
  fixture *f = *state;
  spawn(f, "local t = task.spawn(function() error('oh no', 0) end)"
           "ok, e = pcall(task.methods.await, t)");
  for (int i = 0; i < 3; i++) turn(f);
  expect_global(f, "e", "oh no");
  lua_gc(f->st.L, LUA_GCCOLLECT);
  assert_int_equal(seen.reports, 0);
}

/* Nobody can await the task in which the function runs. */
static void test_task_failed_on_done_is_reported(void **state) {
  fixture *f = *state;
  spawn(f, "local t = task.spawn(function() end)"
           "task.methods.on_done(t, function() error('oh no', 0) end)");
  for (int i = 0; i < 3; i++) turn(f);
  lua_gc(f->st.L, LUA_GCCOLLECT);
  assert_int_equal(seen.reports, 1);
  assert_memory_equal(seen.reported, "oh no\nstack traceback:", 22);
}

static void test_task_is_reused(void **state) {
  fixture *f = *state;
  lp_task *first = spawn(f, "error('failed', 0)");
  assert_int_equal(seen.ended_as, LP_TASK_FAILED);
  for (int i = 0; i < 10; i++) {
    assert_ptr_equal(spawn(f, "x = wait()"), first);
    finish(0, i);
    turn(f);
    assert_int_equal(seen.ended_as, LP_TASK_DONE);
  }
  assert_int_equal(f->st.idle_count, 1);
}

static void on_line(lua_State *L, lua_Debug *ar) {
  (void)L, (void)ar;
}

/* As libraries in C do. */
static int hook_lines(lua_State *L) {
  lua_sethook(L, on_line, LUA_MASKLINE, 0);
  return 0;
}

/* That of a task that a script has spawned is used again, unless the script or debug has it. */
static void test_task_coroutine_is_reused(void **state) {
  fixture *f = *state;
  lua_register(f->st.L, "hook_lines", hook_lines);
  for (int i = 0; i < 3; i++) {
    spawn(f, "task.spawn(function(...)"
             "  seen, hook = select('#', ...), debug.gethook()"
             "  hook_lines()"
             "  return 1, 2 end)");
    turn(f);
    assert_int_equal(f->st.spare_count, 1);
    expect_global(f, "seen", "0");
    expect_global(f, "hook", "nil");
  }
  spawn(f, "task.spawn(function() kept = coroutine.running() end)");
  turn(f);
  assert_int_equal(f->st.spare_count, 0);
  spawn(f, "task.spawn(function() debug.sethook(function() end, 'l') end)");
  turn(f);
  assert_int_equal(f->st.spare_count, 0);
  spawn(f, "status = coroutine.status(kept)");
  expect_global(f, "status", "dead");
}

static void test_task_runs_many(void **state) {
  fixture *f = *state;
  spawn(f, "n = 0; for i = 1, 5000 do task.spawn(function()"
           " task.yield(); task.sleep(i % 3 * 0.001); n = n + 1 end) end");
  uv_run(f->st.loop, UV_RUN_DEFAULT);
  expect_global(f, "n", "5000");
  assert_null(lp_task_next(&f->st, &(int){0}));
}

/* Set-up code and finalizers may run on the state's main thread. */
static void test_promise_is_settled_outside_of_tasks(void **state) {
  fixture *f = *state;
  lua_State *L = f->st.L;
  int top = lua_gettop(L);
  assert_false(luaL_dostring(L, "p = task.promise() return p:resolve('a', nil, 'c')"));
  assert_true(lua_toboolean(L, -1));
  assert_false(luaL_dostring(L, "q = task.promise() return q:reject('oh')"));
  assert_true(lua_toboolean(L, -1));
  assert_int_equal(lua_gettop(L), top + 2);
  lua_settop(L, top);
  spawn(f, "local a, b, c = p:await()\n"
           "assert(a == 'a' and b == nil and c == 'c' and select('#', p:await()) == 3)\n"
           "assert(select(2, pcall(q.await, q)) == 'oh')");
  assert_int_equal(seen.ended_as, LP_TASK_DONE);
}

/* ---- flushes ---- */

typedef struct flushed {
  lp_flush flush;
  lp_state *st;
  struct flushed *next; /* asked for when this one runs */
  int runs;
} flushed;

static void run_flush(lp_flush *flush) {
  flushed *f = (flushed *)flush;
  f->runs++;
  if (f->next) lp_loop_flush(f->st, &f->next->flush);
}

static void ask_flush(uv_timer_t *timer) {
  flushed *f = timer->data;
  lp_loop_flush(f->st, &f->flush);
}

static void test_flush_is_run_when_nothing_else_is_left(void **state) {
  fixture *f = *state;
  flushed last = {.flush.run = run_flush, .st = &f->st};
  flushed first = {.flush.run = run_flush, .st = &f->st, .next = &last};
  uv_timer_t timer;
  lp_list_init(&first.flush.link);
  lp_list_init(&last.flush.link);
  uv_timer_init(f->st.loop, &timer);
  timer.data = &first;
  uv_timer_start(&timer, ask_flush, 1, 0);
  uv_run(f->st.loop, UV_RUN_DEFAULT);
  assert_int_equal(first.runs, 1);
  assert_int_equal(last.runs, 1);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(f->st.loop, UV_RUN_DEFAULT);
}

/* ---- closing ---- */

/* teardown proves that the loop is empty and, under a sanitizer, that no memory is left. */
static void test_close_with_tasks_under_way(void **state) {
  fixture *f = *state;
  spawn(f, "p = task.promise(); for i = 1, 20 do task.spawn(function()"
           " local c <close> = setmetatable({}, {__close = function() task.sleep(0) end})"
           " if i % 2 == 0 then task.sleep(1000) else task.methods.await(p) end end) end"
           " task.methods.await(p)");
}

static void test_close_with_a_stubborn_task(void **state) {
  fixture *f = *state;
  spawn(f, "for i = 1, 100 do pcall(task.sleep, 1000) end task.spawn(task.sleep, 1000)");
  lp_state_close(&f->st);
  assert_int_equal(seen.ended_as, LP_TASK_DONE);
}

static void test_close_before_a_task_has_run(void **state) {
  fixture *f = *state;
  luaL_loadstring(f->st.L, "error('never')");
  lp_task_spawn(f->st.L, 0);
  lp_state_close(&f->st);
  assert_int_equal(seen.reports, 0);
}

static void test_close_of_a_late_completion(void **state) {
  fixture *f = *state;
  spawn(f, "wait_droppable()");
  lp_state_close(&f->st);
  assert_int_equal(seen.closes, 0);
  lp_op_release(&seen.op->op); /* as the last callback does, with the runtime gone */
  assert_int_equal(seen.closes, 1);
}

/* os.exit(code, true) closes Lua under a running task: from then on its coroutine is not
 * hooked. */
static void test_closing_lua_ends_the_slices(void **state) {
  fixture *f = *state;
  f->st.limits.slice_us = 10000000;
  assert_int_equal(lp_interrupt_open(&f->st, SIGVTALRM), 0);
  spawn(f, "task.sleep(60)");
  lua_close(f->st.L);
  f->st.L = NULL;
  assert_int_equal(f->st.interrupt.ticks.signal, 0);
}

#define task_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      task_test(test_op_gives_its_result),
      task_test(test_op_fails_to_start),
      task_test(test_op_has_a_deadline),
      task_test(test_op_without_memory_for_its_deadline),
      task_test(test_op_that_beats_its_deadline),
      task_test(test_op_dropped_completes_late),
      task_test(test_op_finished_twice),
      task_test(test_op_is_stopped_once),
      task_test(test_op_finishes_before_the_cancel),
      task_test(test_task_cancelled_before_it_runs),
      task_test(test_closing_lua_ends_the_slices),
      task_test(test_task_fails_and_is_reported_once),
      task_test(test_task_awaited_is_not_reported),
      task_test(test_task_failed_on_done_is_reported),
      task_test(test_task_is_reused),
      task_test(test_task_coroutine_is_reused),
      task_test(test_task_runs_many),
      task_test(test_promise_is_settled_outside_of_tasks),
      task_test(test_flush_is_run_when_nothing_else_is_left),
      task_test(test_close_with_tasks_under_way),
      task_test(test_close_with_a_stubborn_task),
      task_test(test_close_before_a_task_has_run),
      task_test(test_close_of_a_late_completion),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
