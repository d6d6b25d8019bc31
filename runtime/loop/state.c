/* loop/state.c: opening and closing a runtime. Layer: loop. */
#include "runtime/loop/state.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/guard.h"
#include "runtime/loop/library.h"
#include "runtime/loop/libuv.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/object.h"
#include "runtime/loop/part.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/seed.h"
#include "runtime/loop/task.h"

atomic_int lp_state_attached;

static const char key; /* its address is the key of the runtime in the registry */

static lp_state *find(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
  lp_state *st = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return st;
}

lp_state *lp_state_find(lua_State *L) {
  lp_state *st = find(L);
  if (!st) luaL_error(L, "the runtime of this Lua state was closed");
  return st;
}

bool lp_state_is_open(lua_State *L) {
  return find(L) != NULL;
}

static void drop_tasks(lp_state *st) {
  lp_task *t;
  for (int place = 0; (t = lp_task_next(st, &place));) lp_task_drop(t);
}

static int on_lua_close(lua_State *L) {
  lp_state *st = *(lp_state **)lua_touserdata(L, 1);
  if (!st) return 0;
  lp_interrupt_close(st); /* its hook may not touch what Lua frees from now on */
  drop_tasks(st);
  return 0;
}

/* os.exit(code, true) closes the Lua state under tasks that wait. This makes the first object
 * with a finalizer, which is the last one that Lua finalizes then. */
static void watch_close(lua_State *L) {
  lp_state *st = lp_state_of(L);
  st->witness = lua_newuserdatauv(L, sizeof *st->witness, 0);
  *st->witness = st;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, on_lua_close);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Called protected. Argument: the runtime (light). Returns whether there was none before. */
static int register_state(lua_State *L) {
  bool is_first = lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TNIL;
  lua_pushvalue(L, 1);
  if (is_first) lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  lua_pushboolean(L, is_first);
  return 1;
}

/* Called protected. Argument: the options. A state of the host has its libraries already, which
 * are as they were when this is done. In one of our own there is no garbage worth collecting.
 */
static int open_libraries(lua_State *L) {
  const lp_state_options *o = lua_touserdata(L, 1);
  lp_state *st = lp_state_of(L);
  if (!st->attached) lua_gc(L, LUA_GCSTOP);
  watch_close(L);
  if (st->attached) lp_library_note(L);
  luaL_openlibs(L);
  if (o->seed && !st->attached) lp_seed_random(L, o->seed);
  lp_coroutine_open(L);
  lp_text_open(L);
  lp_interrupt_hide(L);
  lp_guard_open(L);
  lp_collect_open(L);
  lp_task_open(L);
  luaL_requiref(L, "luapool.error.core", luaopen_luapool_error_core, 0);
  lua_settop(L, st->attached ? 2 : 1);
  if (o->modules) {
    lua_pushcfunction(L, o->modules);
    lua_call(L, 0, 0);
  }
  if (st->attached)
    lp_library_put_back(L);
  else
    lua_gc(L, LUA_GCRESTART);
  return 0;
}

static int claim(lp_state *st, lua_State *L) {
  lua_pushcfunction(L, register_state);
  lua_pushlightuserdata(L, st);
  int rc = lua_pcall(L, 1, 1, 0) != LUA_OK ? LP_EMEMORY : lua_toboolean(L, -1) ? 0 : -EEXIST;
  lua_pop(L, 1);
  return rc;
}

static int open_own(lp_state *st, const lp_state_options *o) {
  lua_Alloc alloc = lp_heap_function(&st->heap);
  int rc = lp_seed_state(&st->L, alloc, &st->heap, o->seed);
  if (rc < 0) return rc;
  *(lp_state **)lua_getextraspace(st->L) = st;
  return claim(st, st->L);
}

static int attach(lp_state *st, lua_State *L) {
  int rc = claim(st, L);
  if (rc < 0) return rc;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  st->L = L = lua_tothread(L, -1);
  lua_pop(L, 1);
  st->attached = true;
  st->extra = *(uintptr_t *)lua_getextraspace(L);
  *(lp_state **)lua_getextraspace(L) = st;
  lp_state_attached++;
  return 0;
}

/* What luapool has loaded is no module any more. Raises nothing. */
static void forget_modules(lua_State *L, const char *table) {
  lua_getfield(L, LUA_REGISTRYINDEX, table);
  for (lua_pushnil(L); lua_istable(L, -2) && lua_next(L, -2);) {
    lua_pop(L, 1);
    const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    if (strcmp(name, "luapool") != 0 && strncmp(name, "luapool.", 8) != 0) continue;
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
}

/* From here on each function of luapool that the host still has raises an error. */
static void detach(lp_state *st) {
  int top = lua_gettop(st->L);
  lua_pushcfunction(st->L, lp_object_finalize_all);
  lua_pcall(st->L, 0, 0, 0);
  forget_modules(st->L, LUA_LOADED_TABLE);
  forget_modules(st->L, LUA_PRELOAD_TABLE);
  lua_settop(st->L, top);
  if (st->witness) *st->witness = NULL;
  *(uintptr_t *)lua_getextraspace(st->L) = st->extra;
  lua_pushnil(st->L);
  lua_rawsetp(st->L, LUA_REGISTRYINDEX, &key); /* it is there, so this needs no memory */
}

static int open_lua(lp_state *st, const lp_state_options *o) {
  int rc = o->L ? attach(st, o->L) : open_own(st, o);
  if (rc < 0) return rc;
  if (!st->attached) lp_warning_open(st);
  lua_pushcfunction(st->L, open_libraries);
  lua_pushlightuserdata(st->L, (void *)o);
  rc = lua_pcall(st->L, 1, 0, 0);
  if (rc == LUA_OK) return 0;
  lua_pop(st->L, 1);
  return rc == LUA_ERRMEM ? LP_EMEMORY : LP_ECORRUPT;
}

int lp_state_open(lp_state *st, const lp_state_options *options) {
  static const lp_state_options defaults;
  const lp_state_options *o = options ? options : &defaults;
  memset(st, 0, sizeof *st);
  lp_heap_open(&st->heap, o->alloc, o->user);
  lp_ceiling_open(st);
  lp_allow_open(st, LP_ALLOW_ALL, NULL);
  lp_list_init(&st->idle);
  lp_list_init(&st->parts);
  st->host_clock = o->clock;
  st->user = o->user;
  st->close_us = o->close_us > 0 ? o->close_us : LP_GRACE_CLOSE * 1000;
  int rc = lp_libuv_init(&st->own_loop);
  if (rc < 0) return rc;
  st->loop = &st->own_loop;
  rc = lp_loop_open(st);
  if (rc == 0) rc = lp_mailbox_open(&st->mailbox, st->loop);
  if (rc == 0 && o->loop) rc = lp_bridge_open(&st->bridge, st, o->loop);
  if (rc == 0) rc = open_lua(st, o);
  if (rc < 0) lp_state_close(st);
  return rc;
}

static void cancel_tasks(lp_state *st) {
  lp_task *t;
  for (int place = 0; (t = lp_task_next(st, &place));) lp_task_stop(t);
}

static bool has_coroutines(lp_state *st) {
  lp_task *t;
  for (int place = 0; (t = lp_task_next(st, &place));)
    if (t->co) return true;
  return false;
}

static bool has_work(lp_state *st) {
  return has_coroutines(st) || lp_part_any_busy(st);
}

static void end_grace(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

/* Tasks are cancelled again and again, with those that others have spawned on their way out. */
static void end_tasks(lp_state *st, uint64_t end) {
  uv_timer_t grace;
  lp_interrupt_end(st, end);
  uv_timer_init(st->loop, &grace);
  uv_timer_start(&grace, end_grace, (uint64_t)st->close_us / 1000, 0);
  lp_part_stop_all(st);
  while (has_work(st) && uv_hrtime() < end) {
    cancel_tasks(st);
    uv_run(st->loop, UV_RUN_ONCE);
  }
  uv_close((uv_handle_t *)&grace, NULL);
  uv_run(st->loop, UV_RUN_NOWAIT);
}

static void close_lua(lp_state *st) {
  if (!st->L) return;
  drop_tasks(st);
  lp_heap_leave(&st->heap);
  if (st->attached) {
    lp_interrupt_close(st);
    detach(st);
  } else {
    lua_close(st->L);
  }
  st->L = NULL;
  st->attached = false;
}

int lp_state_close(lp_state *st) {
  if (!st->loop) return 0;
  if (st->inside) return LP_EINSIDE;
  st->inside++;          /* for ever */
  st->host_clock = NULL; /* it may stand still */
  uint64_t end = uv_hrtime() + (uint64_t)st->close_us * 1000;
  if (st->L) end_tasks(st, end);
  lp_part_close_all(st);
  lp_mailbox_close(st->mailbox);
  st->mailbox = NULL;
  close_lua(st);
  lp_interrupt_close(st);
  lp_trust_close(&st->trust);
  lp_environment_close(st);
  lp_warning_close(st);
  lp_heap_close(&st->heap);
  lp_loop_close(st);
  lp_bridge_close(st->bridge);
  uv_run(st->loop, UV_RUN_DEFAULT);
  uv_loop_close(st->loop);
  lp_part_free_all(st);
  lp_timer_close(&st->timers); /* operations that ended late have taken theirs out */
  st->loop = NULL;
  return 0;
}
