/* luapool.c: the public API over the runtime: one lp_state, its main task, and the host's
 * wishes. Layer: luapool.h. Process: main. */
#include "runtime/luapool.h"

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/ipc/forkserver.h"
#include "runtime/loop/dump.h"
#include "runtime/loop/interrupt.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"
#include "runtime/luapool_modules.h"
#include "runtime/pool/fleet.h"
#include "runtime/pool/stall.h"
#include "runtime/worker/worker.h"

struct luapool {
  lp_state state;
  luapool_options options;
  lp_task *main; /* NULL before it is loaded and after it has ended */
  long long result;
  bool has_result, failed;
  char *error;
};

static luapool *of(lp_state *st) {
  return lp_list_of(st, luapool, state);
}

static void report(lp_state *st, const char *text) {
  luapool *rt = of(st);
  if (rt->options.report) rt->options.report(rt->options.user, text);
}

static void output(lp_state *st, int fd, const char *text, size_t len) {
  luapool *rt = of(st);
  if (rt->options.output) rt->options.output(rt->options.user, fd, text, len);
}

static int fail(luapool *rt, const char *text) {
  lp_alloc_free(rt->error);
  rt->error = lp_alloc_new(strlen(text) + 1);
  if (rt->error) strcpy(rt->error, text);
  rt->failed = true;
  return LP_ECANCELLED;
}

luapool *luapool_open(const luapool_options *options) {
  luapool *rt = lp_alloc_new(sizeof *rt);
  if (!rt) return NULL;
  if (options) rt->options = *options;
  if (lp_state_open(&rt->state, NULL, lp_luapool_modules) < 0) goto fail;
  rt->state.report = report;
  rt->state.output = output;
  luapool_forkserver fs = rt->options.forkserver;
  if (lp_fleet_open(&rt->state, fs.socket, fs.pid, rt->options.program) < 0) goto fail;
  if (rt->options.slice > 0 && lp_interrupt_open(&rt->state, rt->options.slice) < 0) goto fail;
  return rt;
fail:
  lp_state_close(&rt->state);
  lp_alloc_free(rt);
  return NULL;
}

/* Protected. Stack: the main task (light), its error. */
static int describe(lua_State *L) {
  lp_task_push(L, lua_touserdata(L, 1));
  lua_insert(L, 2);
  lp_task_error_describe(L, 2);
  return 1;
}

static void main_failed(luapool *rt, lp_task *t, lua_State *co) {
  lua_State *L = rt->state.L;
  t->awaited = true;
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, t);
  lua_pushvalue(co, -1);
  lua_xmove(co, L, 1);
  const char *text = lua_pcall(L, 2, 1, 0) == LUA_OK ? lua_tostring(L, -1) : NULL;
  fail(rt, text ? text : "not enough memory");
  lua_pop(L, 1);
}

/* Called at the main task's end. */
static void main_ended(lp_task *t, lua_State *co, int nres) {
  luapool *rt = lp_task_owner(t, main_ended);
  rt->main = NULL;
  if (t->status == LP_TASK_DONE) {
    int is_integer = 0;
    if (nres > 0) rt->result = lua_tointegerx(co, -nres, &is_integer);
    rt->has_result = is_integer;
  } else {
    main_failed(rt, t, co);
  }
  uv_stop(rt->state.loop);
}

/* Protected. Arguments: the runtime, n, args (light). Stack below: nothing; upvalue: the chunk.
 */
typedef struct start {
  luapool *rt;
  const char *path, *bytes, *name;
  size_t len;
  int n;
  const char *const *args;
} start;

static int start_protected(lua_State *L) {
  const start *s = lua_touserdata(L, 1);
  int rc = s->path ? luaL_loadfilex(L, s->path, "t")
                   : luaL_loadbufferx(L, s->bytes, s->len, s->name, "t");
  if (rc != LUA_OK) return lua_error(L);
  luaL_checkstack(L, s->n, "too many arguments");
  for (int i = 0; i < s->n; i++) lua_pushstring(L, s->args[i]);
  lp_task *t = lp_task_spawn(L, s->n);
  lp_task_own(t, main_ended, s->rt);
  s->rt->main = t;
  return 0;
}

static int load(luapool *rt, const start *s) {
  lua_State *L = rt->state.L;
  if (rt->main) return fail(rt, "the main task that was loaded before has not ended");
  rt->has_result = false;
  lua_pushcfunction(L, start_protected);
  lua_pushlightuserdata(L, (void *)s);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return 0;
  int rc = fail(rt, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 2);
  return rc;
}

int luapool_load_file(luapool *rt, const char *path, int n, const char *const *args) {
  return load(rt, &(start){.rt = rt, .path = path, .n = n, .args = args});
}

int luapool_load_buffer(luapool *rt, const char *bytes, size_t len, const char *name, int n,
                        const char *const *args) {
  return load(
      rt, &(start){.rt = rt, .bytes = bytes, .len = len, .name = name, .n = n, .args = args});
}

/* No bar stands on the terminal from now on. */
static void hold_screen(lua_State *L) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "luapool.term.core") == LUA_TTABLE) {
    lua_getfield(L, -1, "hold");
    lua_call(L, 0, 0);
  }
  lua_pop(L, 2);
}

/* Protected. Leaves a text. */
static int list_waits(lua_State *L) {
  hold_screen(L);
  lua_pushliteral(L, "nothing can wake any task any more:\n");
  lp_dump_push(L);
  lua_concat(L, 2);
  return 1;
}

/* No timer, no handle, no child and no worker is left that could end a wait: see stall.h. */
static int deadlocked(luapool *rt) {
  lua_State *L = rt->state.L;
  lp_stall_show(&rt->state);
  lua_pushcfunction(L, list_waits);
  int rc = lua_pcall(L, 0, 1, 0), len = (int)lua_rawlen(L, -1);
  bool listed = rc == LUA_OK && lua_type(L, -1) == LUA_TSTRING;
  if (listed) lua_pushlstring(L, lua_tostring(L, -1), (size_t)len - 1);
  rc = fail(rt, listed ? lua_tostring(L, -1) : "nothing can wake any task any more");
  lua_pop(L, 1 + listed);
  return rc;
}

int luapool_run(luapool *rt) {
  if (rt->main) rt->failed = false; /* of what was loaded before, or could not be */
  while (rt->main && (uv_run(rt->state.loop, UV_RUN_DEFAULT) || !lp_stall_sure(&rt->state))) {
  }
  if (rt->main) return deadlocked(rt);
  return rt->failed ? LP_ECANCELLED : 0;
}

long long luapool_result(luapool *rt, long long otherwise) {
  return rt->has_result ? rt->result : otherwise;
}

const char *luapool_error(luapool *rt) {
  const char *otherwise = rt->failed ? lp_error_text(LP_EMEMORY) : "";
  return rt->error ? rt->error : otherwise;
}

void luapool_stop(luapool *rt) {
  if (rt->main) lp_task_stop(rt->main);
}

void luapool_close(luapool *rt) {
  if (!rt) return;
  lp_state_close(&rt->state);
  lp_alloc_free(rt->error);
  lp_alloc_free(rt);
}

const char *luapool_version(void) {
  return LP_VERSION;
}

/* What runs in a worker, wherever it was forked. */
static int worker_main(const lp_spawn *spawn) {
  return lp_worker_run(spawn, lp_luapool_modules);
}

luapool_forkserver luapool_fork(void) {
  luapool_forkserver fs = {0};
  fs.socket = lp_forkserver_fork(worker_main, &fs.pid);
  if (fs.socket < 0) fs.pid = 0;
  return fs;
}

int luapool_serve(void) {
  return lp_forkserver_serve(3, worker_main);
}
