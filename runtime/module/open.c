/* module/open.c: the module `luapool` of a plain lua5.4, whose state has a runtime attached
 * from the first `require "luapool"` on. It is a host like any other: it has nothing but
 * luapool.h, but for the exchange of libraries, a function in the registry. Layer: above
 * luapool.h, as cli is. */
#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "runtime/luapool.h"

/* Microseconds of CPU after which others run: as in the program. */
enum { SLICE_US = 10000 };

static void write_text(void *user, int kind, const char *bytes, size_t len) {
  FILE *stream = kind == LUAPOOL_TEXT_OUT ? stdout : stderr;
  bool is_ours = kind == LUAPOOL_TEXT_ERROR || kind == LUAPOOL_TEXT_WARNING;
  (void)user;
  if (is_ours) fputs("luapool: ", stream);
  fwrite(bytes, 1, len, stream);
  if (is_ours) fputc('\n', stream);
  fflush(stream);
}

/* What the registry holds. */
typedef struct {
  luapool *rt;
  bool driving; /* run is being called */
} module;

static const char MODULE[] = "luapool.module";

/* lua_close finalizes the youngest object first: this one closes the runtime before the objects
 * are gone that its tasks use. */
static int close_runtime(lua_State *L) {
  module *m = lua_touserdata(L, 1);
  luapool_close(m->rt);
  m->rt = NULL;
  return 0;
}

static module *find(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, MODULE);
  module *m = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return m;
}

/* Puts a new object into the registry, younger than all others, which has the runtime of the
 * old one. */
static module *renew(lua_State *L) {
  module *old = find(L), *m = lua_newuserdatauv(L, sizeof *m, 0);
  *m = (module){0};
  if (luaL_newmetatable(L, "luapool.module.class")) {
    lua_pushcfunction(L, close_runtime);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, MODULE);
  if (old) m->rt = old->rt, old->rt = NULL;
  return m;
}

static void exchange_libraries(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "luapool.exchange");
  lua_call(L, 0, 0);
}

/* Called protected. Stack: main and its arguments. Returns main's results, or raises its error.
 */
static int drive(lua_State *L) {
  luapool *rt = find(L)->rt;
  luapool_task *task = NULL;
  luapool_start_top(L, lua_gettop(L) - 1, &task);
  int rc;
  do rc = luapool_run(rt, task);
  while (rc == LUAPOOL_MORE);
  bool ended = luapool_task_status(task) != LUAPOOL_MORE;
  if (!ended) lua_pushstring(L, luapool_error(rt));
  int n = ended ? luapool_results(task, L) : rc;
  luapool_task_release(task);
  return n < 0 ? lua_error(L) : n;
}

/* run(main, ...) -> what main returns. The Lua half calls it outside of tasks. */
static int module_run(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  if (find(L)->driving) return luaL_error(L, "luapool.run is running already");
  lua_pushcfunction(L, drive);
  lua_insert(L, 1);
  exchange_libraries(L);
  find(L)->driving = true;
  int rc = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  find(L)->driving = false;
  exchange_libraries(L);
  renew(L);
  return rc == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* Attaches a runtime to the state, and returns the Lua half's own module `luapool`. */
LUAPOOL_API int luaopen_luapool(lua_State *L);
int luaopen_luapool(lua_State *L) {
  luapool_options options = LUAPOOL_OPTIONS;
  options.text = write_text;
  options.allowed = LUAPOOL_ALLOW_ALL;
  options.signal = SIGVTALRM;
  options.slice_us = SLICE_US;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  module *m = renew(L);
  if (luapool_attach(&m->rt, main, NULL, &options) < 0)
    return luaL_error(L, "luapool: %s", luapool_error(NULL));
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushcfunction(L, module_run);
  lua_setfield(L, -2, "luapool.internal.run"); /* for scripts/luapool/init.lua */
  lua_getglobal(L, "require");
  lua_pushliteral(L, "luapool");
  lua_call(L, 1, 1);
  return 1;
}
