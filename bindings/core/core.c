/* bindings/core/core.c: luapool.core: what only luapool's own Lua half uses: signals for the
 * program, facts about the process. Layer: bindings. */
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bindings/bindings.h"
#include "runtime/base/alloc.h"
#include "runtime/base/cgroup.h"
#include "runtime/base/error.h"
#include "runtime/loop/dump.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/pool/fleet.h"

/* ---- signals ---- */

static const struct {
  const char *name;
  int number;
} signals[] = {{"INT", SIGINT}, {"TERM", SIGTERM}, {"HUP", SIGHUP}, {"USR2", SIGUSR2}};

enum { SIGNALS = sizeof signals / sizeof *signals };

/* Caught signals are counted until a task asks, so none is lost while nobody waits. Held by the
 * Lua object and by each open handle. */
typedef struct watch {
  uv_signal_t handles[SIGNALS];
  int caught[SIGNALS];
  int holders;
  lp_op *waiting; /* at most one */
} watch;

static const char WATCH[] = "luapool.signals";

static void watch_release(watch *w) {
  if (--w->holders == 0) lp_alloc_free(w);
}

static void watch_closed(uv_handle_t *handle) {
  watch_release(handle->data);
}

/* A main that is stuck in a C function, or in Lua code that one calls, hears no signal. So
 * libuv's handler is called through this one: who asks again, a second after a signal that is
 * still unheard, ends the process. The forkserver sees to the workers. */
static void (*pass_on)(int signum);
static volatile sig_atomic_t unheard; /* a time in seconds, or 0 */

static void on_raw_signal(int signum) {
  int saved_errno = errno;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (unheard && now.tv_sec > unheard) _exit(128 + signum);
  if (!unheard) unheard = (sig_atomic_t)now.tv_sec + 1;
  errno = saved_errno;
  pass_on(signum);
}

static void watch_over(int signum) {
  struct sigaction action;
  if (signum == SIGUSR2 || sigaction(signum, NULL, &action) < 0) return;
  if (action.sa_handler != on_raw_signal) pass_on = action.sa_handler;
  action.sa_handler = on_raw_signal;
  sigaction(signum, &action, NULL);
}

static void on_signal(uv_signal_t *handle, int signum) {
  watch *w = handle->data;
  if (signum != SIGUSR2) unheard = 0;
  w->caught[handle - w->handles]++;
  if (w->waiting) lp_op_finish(w->waiting, 0);
}

static bool is_ignored(int signum) {
  struct sigaction now;
  return sigaction(signum, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

/* core.signals() -> watch. From now on INT, TERM, HUP and USR2 do nothing but wake who calls
 * watch:wait(), until watch:close(). */
static int core_signals(lua_State *L) {
  watch **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, WATCH);
  watch *w = *box = lp_alloc_new(sizeof *w);
  if (!w) return lp_raise_code(L, LP_EMEMORY, "signals");
  w->holders = 1;
  for (int i = 0; i < SIGNALS; i++) {
    if (signals[i].number == SIGHUP && is_ignored(SIGHUP)) continue; /* nohup */
    uv_signal_init(lp_state_of(L)->loop, &w->handles[i]);
    w->handles[i].data = w;
    w->holders++;
    int rc = uv_signal_start(&w->handles[i], on_signal, signals[i].number);
    uv_unref((uv_handle_t *)&w->handles[i]);
    if (rc < 0) return lp_raise_code(L, rc, "signals");
    watch_over(signals[i].number);
  }
  return 1;
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
  w->caught[i]--;
  lua_pushstring(L, signals[i].name);
  return 1;
}

static const lp_op_class signal_class = {
    .name = "signal", .results = signal_results, .close = signal_close, .internal = true};

/* watch:wait() -> name of a caught signal. One task at a time. */
static int signals_wait(lua_State *L) {
  watch *w = *(watch **)luaL_checkudata(L, 1, WATCH);
  luaL_argcheck(L, w && !w->waiting, 1, "closed, or another task waits");
  signal_op *s = lp_op_new(L, &signal_class, sizeof *s);
  s->watch = w;
  w->holders++;
  w->waiting = &s->op;
  for (int i = 0; i < SIGNALS; i++)
    if (w->caught[i]) lp_op_finish(&s->op, 0);
  return lp_op_await(L, &s->op, -1);
}

/* watch:close(). Signals do again what they did before. */
static int signals_close(lua_State *L) {
  watch **box = luaL_checkudata(L, 1, WATCH), *w = *box;
  *box = NULL;
  if (!w) return 0;
  for (int i = 0; i < SIGNALS; i++)
    if (w->handles[i].data) uv_close((uv_handle_t *)&w->handles[i], watch_closed);
  if (w->waiting) lp_op_finish(w->waiting, LP_ECLOSED);
  watch_release(w);
  return 0;
}

/* ---- the process ---- */

/* core.cpus() -> number of processors that this process may use: affinity and control group. */
static int core_cpus(lua_State *L) {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  int most = lp_cgroup_cpus();
  lua_pushinteger(L, most > 0 && most < n ? most : n);
  return 1;
}

/* core.descriptors() -> how many this process may have open. */
static int core_descriptors(lua_State *L) {
  struct rlimit limit;
  bool known = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < INT_MAX;
  lua_pushinteger(L, known ? (lua_Integer)limit.rlim_cur : INT_MAX);
  return 1;
}

/* core.slice() -> seconds of CPU that a task may use before others run; 0: no limit. */
static int core_slice(lua_State *L) {
  const lp_interrupt *in = &lp_state_of(L)->interrupt;
  const struct timespec *slice = &in->slice.it_value;
  lua_pushnumber(L, in->open ? (double)slice->tv_sec + (double)slice->tv_nsec / 1e9 : 0);
  return 1;
}

/* core.pid() -> this process. */
static int core_pid(lua_State *L) {
  lua_pushinteger(L, getpid());
  return 1;
}

/* core.dump() -> text: what each task of this process waits for, since when, and where. Asks
 * the workers for theirs, which they write to stderr. */
static int core_dump(lua_State *L) {
  lp_fleet_dump(lp_state_of(L));
  lp_dump_push(L);
  return 1;
}

/* core.isatty(fd) -> bool. */
static int core_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* core.exit(status). Ends the process at once, without unwinding: for the second Ctrl-C and for
 * a closed pipe. The forkserver sees to the workers. */
static int core_exit(lua_State *L) {
  _exit((int)luaL_checkinteger(L, 1));
}

/* core.write(fd, text) -> true, or nil, message, errno. Writes all of it, blocking. */
static int core_write(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  size_t len;
  const char *text = luaL_checklstring(L, 2, &len);
  while (len > 0) {
    ssize_t n = write(fd, text, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return luaL_fileresult(L, 0, NULL);
    text += n;
    len -= (size_t)n;
  }
  lua_pushboolean(L, 1);
  return 1;
}

static void open_signals(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"wait", signals_wait}, {"close", signals_close}, {"__gc", signals_close}, {NULL, NULL}};
  luaL_newmetatable(L, WATCH);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int luaopen_luapool_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"signals", core_signals},
                                       {"cpus", core_cpus},
                                       {"pid", core_pid},
                                       {"slice", core_slice},
                                       {"dump", core_dump},
                                       {"isatty", core_isatty},
                                       {"exit", core_exit},
                                       {"write", core_write},
                                       {"descriptors", core_descriptors},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushliteral(L, LP_VERSION);
  lua_setfield(L, -2, "version");
  open_signals(L);
  return 1;
}
