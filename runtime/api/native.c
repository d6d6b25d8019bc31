/* api/native.c: how C of the host and Lua meet. Layer: api. */
#include <lauxlib.h>

#include "runtime/api/api.h"
#include "runtime/api/ref.h"
#include "runtime/base/error.h"
#include "runtime/loop/guard.h"
#include "runtime/loop/pcall.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

static const char NOT_HERE[] = "there is no runtime of a host here, or it closes";

int luapool_protect(luapool *rt, lua_CFunction f, void *arg) {
  lua_State *L = rt->state.L;
  lp_api_begin(rt);
  if (!f) return lp_api_fail(rt, LUAPOOL_EARGUMENT, "the function is missing");
  if (!lua_checkstack(L, 2)) return lp_api_fail_core(rt, LP_EMEMORY);
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, arg);
  rt->state.inside++;
  int status = lp_guard_pcall(&rt->state, 1, 0);
  rt->state.inside--;
  return status == LUA_OK ? LUAPOOL_OK : lp_api_fail_lua(rt, L, status);
}

typedef struct module {
  const char *name;
  lua_CFunction open;
} module;

/* Protected. Argument: a module (light). */
static int offer(lua_State *L) {
  const module *m = lua_touserdata(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, m->open);
  lua_setfield(L, -2, m->name);
  return 0;
}

int luapool_module(luapool *rt, const char *name, lua_CFunction open) {
  lp_api_begin(rt);
  if (!name || !open)
    return lp_api_fail(rt, LUAPOOL_EARGUMENT, "the name or the function is missing");
  return luapool_protect(rt, offer, &(module){name, open});
}

luapool *luapool_of(lua_State *L) {
  return lp_life_find(lp_state_of(L));
}

void *luapool_user(luapool *rt) {
  return rt->options.user;
}

int luapool_start_top(lua_State *L, int n, luapool_task **task) {
  luapool *rt = luapool_of(L);
  if (task) *task = NULL;
  if (!rt || !rt->mailbox) return lp_usage_raise(L, "luapool_start_top", NOT_HERE);
  lp_task *t = lp_task_spawn(L, n);
  if (!task) return LUAPOOL_OK;
  *task = lp_ref_new(rt);
  if (!*task) {
    lp_task_stop(t);
    return lp_raise_code(L, LP_EMEMORY, "luapool_start_top");
  }
  lp_ref_follow(*task, t);
  return LUAPOOL_OK;
}

int luapool_pcall(lua_State *L, int n, int results, lua_KFunction k, intptr_t context) {
  return lp_pcall(L, n, results, k, context);
}
