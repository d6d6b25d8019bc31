/* api/env.c: environments of the host's, and what `require` asks it for. Layer: api. */
#include "runtime/api/env.h"

#include <lauxlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/sandbox/sandbox.h"

/* Protected. Arguments: where the number goes (light), the bits. */
static int make(lua_State *L) {
  unsigned *number = lua_touserdata(L, 1);
  *number = lp_sandbox_new(L, (unsigned)lua_tointeger(L, 2));
  return 0;
}

/* Returns LUA_OK, or a status with the error on the stack. */
static int make_protected(lua_State *L, unsigned allowed, unsigned *number) {
  lua_pushcfunction(L, make);
  lua_pushlightuserdata(L, number);
  lua_pushinteger(L, allowed);
  return lua_pcall(L, 2, 0, 0);
}

luapool_env *luapool_env_new(luapool *rt, unsigned allowed) {
  lp_api_begin(rt);
  luapool_env *env = lp_alloc_new(sizeof *env);
  if (!env) {
    lp_api_fail_core(rt, LP_EMEMORY);
    return NULL;
  }
  int status = make_protected(rt->state.L, allowed, &env->number);
  if (status != LUA_OK) {
    lp_api_fail_lua(rt, rt->state.L, status);
    lp_alloc_free(env);
    return NULL;
  }
  env->rt = rt;
  lp_list_push(&rt->environments, &env->link);
  return env;
}

void luapool_env_release(luapool_env *env) {
  if (!env) return;
  if (env->rt) lp_environment_release(&env->rt->state, env->number);
  lp_list_remove(&env->link);
  lp_alloc_free(env);
}

void lp_env_detach_all(luapool *rt) {
  for (lp_list *link; (link = lp_list_shift(&rt->environments));)
    lp_list_of(link, luapool_env, link)->rt = NULL;
}

/* ---- require ---- */

/* A searcher: the module as the host has it. lp_env_share gives it to a runtime of a
 * host; no worker has it. */
static int search(lua_State *L) {
  if (!lp_state_is_open(L)) return 0;
  luapool *rt = lp_api_of(lp_state_of(L));
  const char *name = luaL_checkstring(L, 1), *bytes = NULL, *chunk = NULL;
  size_t len = 0;
  if (!rt->options.load(rt->options.user, name, &bytes, &len, &chunk) || !bytes) {
    lua_pushfstring(L, "the host has no module '%s'", name);
    return 1;
  }
  lua_pushstring(L, chunk ? chunk : lua_pushfstring(L, "=%s", name));
  const char *kept = lua_tostring(L, -1);
  if (lp_environment_load(L, lp_environment_current(L), bytes, len, kept) != LUA_OK)
    return luaL_error(L, "error loading module '%s':\n\t%s", name, lua_tostring(L, -1));
  lua_insert(L, -2);
  return 2;
}

/* Protected. */
static int add_searcher(lua_State *L) {
  lua_pushcfunction(L, search);
  lp_sandbox_add_searcher(L);
  return 0;
}

static int ask(lp_state *st, unsigned what, const char *subject) {
  luapool *rt = lp_api_of(st);
  return rt->options.allow(rt->options.user, what, subject);
}

int lp_env_share(luapool *rt) {
  lua_State *L = rt->state.L;
  const luapool_options *o = &rt->options;
  int status = LUA_OK;
  unsigned number;
  if (o->allow) lp_allow_open(&rt->state, LP_ALLOW_ALL, ask);
  if (o->load) {
    lua_pushcfunction(L, add_searcher);
    status = lua_pcall(L, 0, 0, 0);
  }
  if (status == LUA_OK && o->allowed != LUAPOOL_ALLOW_ALL) {
    status = make_protected(L, o->allowed, &number);
    if (status == LUA_OK) lp_sandbox_share(&rt->state, number);
  }
  if (status == LUA_OK) return 0;
  lua_pop(L, 1);
  return LP_EMEMORY;
}
