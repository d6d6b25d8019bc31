/* bindings/core/open.c: luapool.core, which only luapool's own Lua half uses: signals of the
 * program and facts about the process. Layer: bindings. */
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bindings/bindings.h"
#include "bindings/core/signals.h"
#include "bindings/core/watchdog.h"
#include "runtime/base/cgroup.h"
#include "runtime/base/grace.h"
#include "runtime/base/write.h"
#include "runtime/loop/dump.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"
#include "runtime/pool/stall.h"

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

/* core.slice([seconds]) -> seconds of CPU that a task may use before others run; 0: no limit.
 */
static int core_slice(lua_State *L) {
  lp_state *st = lp_state_of(L);
  if (!lua_isnoneornil(L, 1)) {
    double seconds = luaL_checknumber(L, 1);
    st->limits.slice_us = seconds > 0 ? (int64_t)ceil(seconds * 1e6) : 0;
    int rc = lp_interrupt_open(st, SIGVTALRM);
    if (rc < 0) st->limits.slice_us = 0;
    if (rc == -EAGAIN)
      return luaL_error(L, "time slices need a signal that may wait, and none may (ulimit -i)");
    if (rc < 0) return lp_raise_code(L, rc, "time slices");
  }
  lua_pushnumber(L, (double)st->limits.slice_us / 1e6);
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
  lp_stall_show_all(lp_state_of(L));
  lp_dump_push(L);
  return 1;
}

/* core.alive() -> list of the tasks of this process that go on: see lp_dump_push_alive. */
static int core_alive(lua_State *L) {
  lp_dump_push_alive(L);
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
  int rc = lp_write_all(fd, text, len);
  errno = -rc;
  if (rc < 0) return luaL_fileresult(L, 0, NULL);
  lua_pushboolean(L, 1);
  return 1;
}

/* core.grace: seconds of the steps of an ending that are taken in Lua: see base/grace.h. */
static void push_grace(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushnumber(L, lp_grace_seconds(LP_GRACE_STOP));
  lua_setfield(L, -2, "stop");
  lua_pushnumber(L, lp_grace_seconds(LP_GRACE_STUCK));
  lua_setfield(L, -2, "stuck");
}

int luaopen_luapool_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"cpus", core_cpus}, {"pid", core_pid},     {"slice", core_slice},
      {"dump", core_dump}, {"alive", core_alive}, {"isatty", core_isatty},
      {"exit", core_exit}, {"write", core_write}, {"descriptors", core_descriptors},
      {NULL, NULL}};
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lpb_core_signals_functions, 0);
  luaL_setfuncs(L, lpb_core_watchdog_functions, 0);
  lua_pushliteral(L, LP_VERSION);
  lua_setfield(L, -2, "version");
  push_grace(L);
  lua_setfield(L, -2, "grace");
  lpb_core_signals_open(L);
  lpb_core_watchdog_open(L);
  return 1;
}
