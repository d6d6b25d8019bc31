/* bindings/pool/outcome.c: what has become of a call, as Lua values: its results or its error.
 * The message of an error says on one line what has happened and what to do about it. Layer:
 * bindings. Process: main. */
#include "bindings/pool/outcome.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "runtime/base/error.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/wire/wire.h"

/* ---- deaths ---- */

/* What the user can do, when main knows why the worker ended. */
static const char *const advice_of_cause[LP_DEATH_CAUSES] = {
    [LP_DEATH_GROUP_MEMORY] = "the control group's memory limit was reached: raise it, use "
                              "fewer workers or tasks at once, or set memory_limit",
    [LP_DEATH_SYSTEM_MEMORY] = "the machine was out of memory: use fewer workers or tasks at "
                               "once, or set memory_limit",
    [LP_DEATH_FROZEN] = "it stayed stopped for two seconds, so luapool ended it",
    [LP_DEATH_GARBAGE] = "it had sent garbage, so luapool ended it: something writes to a "
                         "descriptor that is not its own",
    [LP_DEATH_ORPHAN] = "the process that starts workers was killed, and its workers with it",
};

/* The same, when only the signal is known. */
static const struct {
  int signum;
  const char *advice;
} advice_of_signal[] = {
    {SIGSEGV, "a C library that the task uses has crashed: see 'report'"},
    {SIGBUS, "a C library that the task uses has crashed: see 'report'"},
    {SIGABRT, "a C library that the task uses has aborted: see 'report'"},
    {SIGILL, "a C library that the task uses has crashed: see 'report'"},
    {SIGFPE, "a C library that the task uses has crashed: see 'report'"},
    {SIGKILL, "somebody has killed it"},
    {SIGXCPU, "the limit of CPU time was reached: see ulimit -t"},
};

static const char *advice(const lp_death *d) {
  if (advice_of_cause[d->cause]) return advice_of_cause[d->cause];
  if (!WIFSIGNALED(d->status))
    return "os.exit ends the whole worker: return, or raise an error, instead";
  for (size_t i = 0; i < sizeof advice_of_signal / sizeof *advice_of_signal; i++)
    if (advice_of_signal[i].signum == WTERMSIG(d->status)) return advice_of_signal[i].advice;
  return "somebody has sent that signal";
}

/* Pushes "worker 2 (pid 77) was killed by signal 9 (Killed)". */
static const char *push_death(lua_State *L, const lp_death *d) {
  int id = (int)d->worker, pid = (int)d->pid;
  if (!WIFSIGNALED(d->status))
    return lua_pushfstring(L, "worker %d (pid %d) ended with exit code %d", id, pid,
                           WEXITSTATUS(d->status));
  int signum = WTERMSIG(d->status);
  return lua_pushfstring(L, "worker %d (pid %d) was killed by signal %d (%s)", id, pid, signum,
                         strsignal(signum));
}

static void set_integer(lua_State *L, const char *name, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, name);
}

/* Stack: the error object. */
static void set_death(lua_State *L, const lp_death *d) {
  set_integer(L, "worker", d->worker);
  set_integer(L, "pid", d->pid);
  if (WIFSIGNALED(d->status))
    set_integer(L, "signal", WTERMSIG(d->status));
  else
    set_integer(L, "exitcode", WEXITSTATUS(d->status));
  if (d->peak) set_integer(L, "peak_memory", (lua_Integer)d->peak * 1024);
  lua_pushstring(L, d->report);
  lua_setfield(L, -2, "report");
}

static void push_died(lua_State *L, const lp_call *call) {
  static const lp_death forgotten = {0};
  const lp_death *d = call->death ? call->death : &forgotten;
  const char *death = push_death(L, d);
  lp_raise_push(L, "worker_died", "%s while it ran this task (attempt %d): %s", death,
                (int)call->attempt, advice(d));
  lua_remove(L, -2);
  set_death(L, d);
  set_integer(L, "attempts", call->attempt);
  lua_pushboolean(L, call->crashes > 0);
  lua_setfield(L, -2, "on_cpu");
  if (call->place) set_integer(L, "place", (lua_Integer)call->place);
}

static void push_stuck(lua_State *L, const lp_call *call) {
  lp_raise_push(
      L, "timeout",
      "the task took longer than its task_timeout; its worker (pid %d) was killed, for "
      "it was in a C function that nothing else can end",
      call->death ? (int)call->death->pid : 0);
}

/* ---- errors that a worker has sent ---- */

/* Pushes the error that a worker has sent, and notes its traceback. */
static void push_error(lua_State *L, const char *bytes, size_t len, int graph) {
  lp_wire wire = {.known = graph, .no_functions = lp_environment_current(L) != 0};
  int top = lua_gettop(L);
  if (len == 0 || lp_wire_decode(L, &wire, bytes, len) < 2) {
    lua_settop(L, top);
    lp_raise_push(L, "memory", "the worker had not enough memory for its answer");
    return;
  }
  lua_settop(L, top + 2);
  lp_task_error_note(L);
}

/* ---- pools without workers ---- */

static const char *last_line(const lp_death *d) {
  const char *end = d->report ? strrchr(d->report, '\n') : NULL;
  if (end) return end + 1;
  return d->report ? d->report : "none";
}

static void push_dead_at_start(lua_State *L, const lp_death *d) {
  const char *death = push_death(L, d);
  lp_raise_push(L, "worker_died",
                "the pool has given up, for its workers die at start: %s; its last words: %s",
                death, last_line(d));
  lua_remove(L, -2);
  set_death(L, d);
}

static void push_lost(lua_State *L, const lp_pool *pool) {
  const lp_buf *init = &pool->init_error;
  if (!pool->broken)
    lp_raise_push(L, "memory", "not enough memory to send the task or to keep its result");
  else if (init->len)
    push_error(L, init->data, init->len, 0);
  else if (pool->crew.start_error)
    lp_raise_push(L, lp_error_kind(pool->crew.start_error),
                  "the pool cannot start a worker: %s", lp_error_text(pool->crew.start_error));
  else
    push_dead_at_start(L, &pool->crew.last);
}

int lpb_pool_outcome_push(lua_State *L, lp_call *call, int graph) {
  lp_wire wire = {.known = graph, .no_functions = lp_environment_current(L) != 0};
  luaL_checkstack(L, 8, NULL);
  if (call->state == LP_CALL_DONE)
    return lp_wire_decode(L, &wire, call->result, call->result_len);
  if (call->state == LP_CALL_FAILED)
    push_error(L, call->result, call->result_len, graph);
  else if (call->state == LP_CALL_DIED)
    push_died(L, call);
  else if (call->state == LP_CALL_STUCK)
    push_stuck(L, call);
  else if (call->state == LP_CALL_LOST)
    push_lost(L, call->pool);
  else
    lp_raise_push(L, "cancelled", "the task was cancelled");
  return -1;
}
