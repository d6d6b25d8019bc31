/* bindings/core/signals.c: a task of the program waits for signals, and hands each to whoever
 * wants it: scripts/luapool/internal/signals.lua. Layer: bindings. Process: main. */
#include "bindings/core/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "bindings/class.h"
#include "runtime/base/alloc.h"
#include "runtime/base/clock.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"

/* Signals that can be caught. The program itself always catches those that are `ours`; `ends`:
 * who sends it wants the process to end. */
static const struct {
  const char *name;
  int number;
  bool ours, ends;
} signals[] = {{"INT", SIGINT, true, true},     {"TERM", SIGTERM, true, true},
               {"HUP", SIGHUP, true, true},     {"USR2", SIGUSR2, true, false},
               {"QUIT", SIGQUIT, false, true},  {"USR1", SIGUSR1, false, false},
               {"ALRM", SIGALRM, false, false}, {"WINCH", SIGWINCH, false, false},
               {"CONT", SIGCONT, false, false}};

enum { SIGNALS = sizeof signals / sizeof *signals };

/* Caught signals are counted until a task asks, so none is lost while nobody waits. Held by the
 * Lua object and by each open handle. */
typedef struct watch {
  uv_signal_t handles[SIGNALS]; /* `data` is NULL until one is open */
  bool ignored[SIGNALS];        /* the process was started to ignore it */
  int caught[SIGNALS];
  int holders;
  lp_op *waiting; /* at most one */
} watch;

static const char CLASS[] = "luapool.signals";

static void watch_release(watch *w) {
  if (--w->holders == 0) lp_alloc_free(w);
}

static void watch_closed(uv_handle_t *handle) {
  watch_release(handle->data);
}

/* A main that is stuck in a C function, or in Lua code that one calls, hears no signal. So
 * libuv's handler is called through this one: who asks again while a signal is still unheard
 * ends the process. Two that come as one, to the process and to its group, count once. The
 * forkserver sees to the workers. */
static void (*pass_on)(int signum); /* SIG_DFL, which is NULL, once nobody watches any more */
static volatile int64_t unheard;    /* when the first signal came that is unheard, or 0 */

enum { AS_ONE = 200 }; /* milliseconds */

static void on_raw_signal(int signum) {
  int saved_errno = errno;
  int64_t now = lp_clock_ms();
  if (!unheard)
    unheard = now;
  else if (now > unheard + AS_ONE)
    _exit(128 + signum);
  errno = saved_errno;
  if (pass_on) pass_on(signum);
}

static void watch_over(int signum) {
  struct sigaction action;
  if (sigaction(signum, NULL, &action) < 0) return;
  if (action.sa_handler != on_raw_signal) pass_on = action.sa_handler;
  action.sa_handler = on_raw_signal;
  action.sa_flags |= SA_RESTART;
  sigaction(signum, &action, NULL);
}

static void on_signal(uv_signal_t *handle, int signum) {
  watch *w = handle->data;
  long i = handle - w->handles;
  (void)signum;
  if (signals[i].ends) unheard = 0;
  w->caught[i]++;
  if (w->waiting) lp_op_finish(w->waiting, 0);
}

static bool is_ignored(int signum) {
  struct sigaction now;
  return sigaction(signum, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* Catches a signal. Returns 0 or a negative code. */
static int catch_signal(lua_State *L, watch *w, int i) {
  uv_signal_t *handle = &w->handles[i];
  if (!handle->data) {
    int rc = uv_signal_init(lp_state_of(L)->loop, handle);
    if (rc < 0) return rc;
    handle->data = w;
    w->holders++;
    uv_unref((uv_handle_t *)handle);
  }
  int rc = uv_is_active((uv_handle_t *)handle)
               ? 0
               : uv_signal_start(handle, on_signal, signals[i].number);
  if (rc == 0 && signals[i].ends) watch_over(signals[i].number);
  return rc;
}

/* core.signals() -> watch. From now on INT, TERM, HUP and USR2 do nothing but wake who calls
 * watch:wait(), until watch:close(). Those that the process was started to ignore stay ignored.
 */
static int core_signals(lua_State *L) {
  watch **box = lp_object_new(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, CLASS);
  watch *w = *box = lp_alloc_new(sizeof *w);
  if (!w) return lp_raise_code(L, LP_EMEMORY, "signals");
  w->holders = 1;
  for (int i = 0; i < SIGNALS; i++) {
    w->ignored[i] = signals[i].ends && is_ignored(signals[i].number); /* nohup */
    if (w->ignored[i] || !signals[i].ours) continue;
    int rc = catch_signal(L, w, i);
    if (rc < 0) return lp_raise_code(L, rc, "signals");
  }
  return 1;
}

static watch *check_open(lua_State *L) {
  watch *w = *(watch **)lpb_class_check(L, CLASS);
  luaL_argcheck(L, w, 1, "closed");
  return w;
}

/* The index of the signal whose name is argument 2. */
static int check_name(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  int i = 0;
  while (i < SIGNALS && strcmp(signals[i].name, name) != 0) i++;
  luaL_argcheck(L, i < SIGNALS, 2, "no such signal");
  return i;
}

/* watch:catch(name). The signal is caught, too, whatever the process was started to ignore. */
static int signals_catch(lua_State *L) {
  watch *w = check_open(L);
  int rc = catch_signal(L, w, check_name(L));
  return rc < 0 ? lp_raise_code(L, rc, "signals") : 0;
}

/* watch:release(name). It does again what it did before. */
static int signals_release(lua_State *L) {
  watch *w = check_open(L);
  int i = check_name(L);
  if (signals[i].ours && !w->ignored[i]) return 0;
  if (w->handles[i].data) uv_signal_stop(&w->handles[i]);
  if (w->ignored[i]) signal(signals[i].number, SIG_IGN);
  return 0;
}

/* watch:expect(name, expected). Somebody waits for the signal, so that a process that has
 * nothing else to wait for is not deadlocked. */
static int signals_expect(lua_State *L) {
  watch *w = check_open(L);
  uv_handle_t *handle = (uv_handle_t *)&w->handles[check_name(L)];
  if (lua_toboolean(L, 3))
    uv_ref(handle);
  else
    uv_unref(handle);
  return 0;
}

typedef struct signal_op {
  lp_op op;
  watch *watch;
} signal_op;

static void signal_close(lp_op *op) {
  watch *w = ((signal_op *)op)->watch;
  if (w->waiting == op) w->waiting = NULL;
  watch_release(w);
}

static int signal_results(lua_State *L, lp_op *op) {
  watch *w = ((signal_op *)op)->watch;
  if (op->status < 0) return lp_op_raise(L, op);
  int i = 0;
  while (i < SIGNALS - 1 && !w->caught[i]) i++;
  if (w->caught[i]) w->caught[i]--;
  lua_pushstring(L, signals[i].name);
  return 1;
}

static const lp_op_class signal_class = {
    .name = "signal", .results = signal_results, .close = signal_close, .internal = true};

/* watch:wait() -> name of a caught signal. One task at a time. */
static int signals_wait(lua_State *L) {
  watch *w = check_open(L);
  luaL_argcheck(L, !w->waiting, 1, "another task waits");
  signal_op *s = lp_op_new(L, &signal_class, sizeof *s);
  s->watch = w;
  w->holders++;
  w->waiting = &s->op;
  for (int i = 0; i < SIGNALS; i++)
    if (w->caught[i]) lp_op_finish(&s->op, 0);
  return lp_op_await(L, &s->op, -1);
}

/* The process is about to end, with a status that is known. One that is asked for once more
 * ends as it would have; one that is asked for twice ends at once. */
static void stop_watching(watch *w, int i) {
  bool caught = uv_is_active((uv_handle_t *)&w->handles[i]);
  uv_close((uv_handle_t *)&w->handles[i], watch_closed);
  if (!caught) return;
  if (signals[i].ends)
    watch_over(signals[i].number);
  else
    signal(signals[i].number, SIG_IGN);
}

/* watch:close(). Nobody hears signals any more. */
static int signals_close(lua_State *L) {
  watch **box = lpb_class_check(L, CLASS), *w = *box;
  *box = NULL;
  if (!w) return 0;
  for (int i = 0; i < SIGNALS; i++)
    if (w->handles[i].data) stop_watching(w, i);
  if (w->waiting) lp_op_finish(w->waiting, LP_ECLOSED);
  watch_release(w);
  return 0;
}

const luaL_Reg lpb_core_signals_functions[] = {{"signals", core_signals}, {NULL, NULL}};

void lpb_core_signals_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", signals_wait},
                                     {"catch", signals_catch},
                                     {"release", signals_release},
                                     {"expect", signals_expect},
                                     {"close", signals_close},
                                     {"__gc", signals_close},
                                     {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
