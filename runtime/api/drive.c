/* api/drive.c: the host lets a runtime go on. Layer: api. */
#include <lauxlib.h>

#include "runtime/api/api.h"
#include "runtime/api/ref.h"
#include "runtime/loop/dump.h"
#include "runtime/loop/step.h"
#include "runtime/loop/task.h"
#include "runtime/pool/stall.h"

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
  rc = lp_api_fail(rt, LUAPOOL_EDEADLOCK,
                   listed ? lua_tostring(L, -1) : "nothing can wake any task any more");
  lua_pop(L, 1 + listed);
  return rc;
}

/* True when what luapool_run waits for has not come. */
static bool waits(luapool *rt) {
  int place = 0;
  return rt->until ? lp_ref_is_alive(rt->until) : lp_task_next(&rt->state, &place) != NULL;
}

/* The outcome of a task as that of the call. */
static int outcome(luapool *rt, luapool_task *task) {
  int status = task ? luapool_task_status(task) : LUAPOOL_OK;
  return status < 0 ? lp_api_fail(rt, status, luapool_task_error(task)) : status;
}

static int run(luapool *rt) {
  uv_run_mode mode = rt->until ? UV_RUN_DEFAULT : UV_RUN_ONCE;
  while (waits(rt)) {
    bool alive = uv_run(rt->state.loop, mode);
    if (lp_step_interrupted(&rt->state)) return LUAPOOL_MORE;
    if (alive || !waits(rt)) continue;
    if (lp_mailbox_run(rt->mailbox)) continue; /* it does not keep the loop alive */
    if (lp_stall_sure(&rt->state)) return deadlocked(rt);
  }
  return outcome(rt, rt->until);
}

int luapool_run(luapool *rt, luapool_task *until) {
  int rc = lp_api_begin_outside(rt);
  if (rc < 0) return rc;
  if (until && lp_ref_is_alive(until) && lp_ref_runtime(until) != rt)
    return lp_api_fail(rt, LUAPOOL_EARGUMENT, "the task is one of another runtime");
  rt->until = until;
  rt->state.inside++;
  rc = run(rt);
  rt->state.inside--;
  rt->until = NULL;
  return rc;
}

int luapool_step(luapool *rt, int64_t budget_us) {
  int rc = lp_api_begin_outside(rt);
  if (rc < 0) return rc;
  rc = lp_step(&rt->state, budget_us);
  return rc == LP_MORE ? LUAPOOL_MORE : lp_api_code(rc);
}

int luapool_fd(luapool *rt) {
  return lp_step_fd(&rt->state);
}

int64_t luapool_timeout_us(luapool *rt) {
  return lp_step_timeout_us(&rt->state);
}

void luapool_interrupt(luapool *rt) {
  lp_step_interrupt(&rt->state);
}

int luapool_gc(luapool *rt, int64_t budget_us) {
  int rc = lp_api_begin_outside(rt);
  if (rc < 0) return rc;
  rt->state.inside++;
  rc = lp_collect_for(&rt->state, budget_us);
  rt->state.inside--;
  return rc == LP_MORE ? LUAPOOL_MORE : LUAPOOL_OK;
}
