/* loop/state.c: opening and closing a runtime. Layer: loop. */
#include "runtime/loop/state.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/part.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"

static void drop_tasks(lp_state *st) {
  lp_task *t;
  for (int place = 0; (t = lp_task_next(st, &place));) lp_task_drop(t);
}

static int on_lua_close(lua_State *L) {
  lp_state *st = lp_state_of(L);
  lp_interrupt_close(st); /* its hook may not touch what Lua frees from now on */
  drop_tasks(st);
  return 0;
}

/* os.exit(code, true) closes the Lua state under tasks that wait. This makes the first object
 * with a finalizer, which is the last one that Lua finalizes then. */
static void watch_close(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, on_lua_close);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Called protected. Argument: the function of the owner that opens more, or nil. */
static int open_libraries(lua_State *L) {
  watch_close(L);
  luaL_openlibs(L);
  lp_coroutine_open(L);
  lp_interrupt_hide(L);
  lp_task_open(L);
  luaL_requiref(L, "luapool.error.core", luaopen_luapool_error_core, 0);
  if (lua_isnil(L, 1)) return 0;
  lua_pushvalue(L, 1);
  lua_call(L, 0, 0);
  return 0;
}

static int open_lua(lp_state *st, lua_CFunction open) {
  st->L = lua_newstate(lp_heap_alloc, &st->heap);
  if (!st->L) return LP_EMEMORY;
  *(lp_state **)lua_getextraspace(st->L) = st;
  lp_warning_open(st);
  lua_pushcfunction(st->L, open_libraries);
  if (open)
    lua_pushcfunction(st->L, open);
  else
    lua_pushnil(st->L);
  int rc = lua_pcall(st->L, 1, 0, 0);
  if (rc == LUA_OK) return 0;
  return rc == LUA_ERRMEM ? LP_EMEMORY : LP_ECORRUPT;
}

int lp_state_open(lp_state *st, uv_loop_t *loop, lua_CFunction open) {
  memset(st, 0, sizeof *st);
  lp_heap_open(&st->heap);
  lp_list_init(&st->idle);
  lp_list_init(&st->parts);
  if (!loop) {
    int rc = uv_loop_init(&st->own_loop);
    if (rc < 0) return rc;
  }
  st->loop = loop ? loop : &st->own_loop;
  int rc = lp_loop_open(st);
  if (rc == 0) rc = open_lua(st, open);
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

static void end_grace(uv_timer_t *timer) {
  uv_stop(timer->loop);
}

static bool has_work(lp_state *st) {
  return has_coroutines(st) || lp_part_any_busy(st);
}

static void end_tasks(lp_state *st) {
  uv_timer_t grace;
  uv_timer_init(st->loop, &grace);
  uv_timer_start(&grace, end_grace, LP_GRACE_CLOSE, 0);
  lp_part_stop_all(st);
  while (has_work(st) && uv_is_active((uv_handle_t *)&grace)) {
    cancel_tasks(st); /* also those that others have spawned on their way out */
    uv_run(st->loop, UV_RUN_ONCE);
  }
  uv_close((uv_handle_t *)&grace, NULL);
  uv_run(st->loop, UV_RUN_NOWAIT);
}

void lp_state_close(lp_state *st) {
  if (!st->loop) return;
  if (st->L) end_tasks(st);
  lp_part_close_all(st);
  if (st->L) drop_tasks(st);
  lp_heap_leave(&st->heap);
  lp_interrupt_close(st);
  if (st->L) lua_close(st->L);
  st->L = NULL;
  lp_warning_close(st);
  lp_heap_close(&st->heap);
  lp_loop_close(st);
  if (st->loop == &st->own_loop) {
    uv_run(st->loop, UV_RUN_DEFAULT);
    uv_loop_close(st->loop);
  }
  lp_part_free_all(st);
  lp_timer_close(&st->timers); /* operations that ended late have taken theirs out */
  st->loop = NULL;
}
