/* loop/guard.c: a coroutine for user code outside of tasks, and finalizers that run in it. Lua
 * switches hooks off in the coroutine that collects garbage, so an endless __gc would never
 * come back; in another coroutine they act. Layer: loop. */
#include "runtime/loop/guard.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "runtime/loop/environment.h"
#include "runtime/loop/interrupt.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"

static void enter(lp_state *st, lp_guard *g) {
  lp_interrupt *in = &st->interrupt;
  *g = (lp_guard){.outer = lp_interrupt_enter(st),
                  .running = st->running,
                  .blocked = st->blocked,
                  .stuck = in->stuck,
                  .told = in->told};
  if (in->guards == 0) in->stuck = 0, in->told = false;
}

static void leave(lp_state *st, const lp_guard *g) {
  lp_interrupt *in = &st->interrupt;
  if (in->guards == 0) in->stuck = g->stuck, in->told = g->told;
  lp_interrupt_leave(st, g->outer);
}

/* The coroutine `co` runs from now on. */
static void run(lp_state *st, const lp_guard *g, lua_State *co, lua_State *by) {
  const lp_interrupt *in = &st->interrupt;
  if (g->running)
    lp_interrupt_pass(st, g->running, co);
  else if (in->counting)
    lp_interrupt_count(st, co);
  st->running = co;
  st->blocked = by;
}

/* What ran before `co` runs again, or nothing. */
static void come_back(lp_state *st, const lp_guard *g, lua_State *co) {
  st->running = g->running;
  st->blocked = g->blocked;
  if (g->running)
    lp_interrupt_pass(st, co, g->running);
  else
    lp_interrupt_settle(st);
}

void lp_guard_begin(lp_state *st, lp_guard *g, lua_State *co, lua_State *by) {
  enter(st, g);
  lp_interrupt_guard(st, 1);
  run(st, g, co, by);
}

void lp_guard_end(lp_state *st, lp_guard *g, lua_State *co) {
  come_back(st, g, co);
  lp_interrupt_guard(st, -1);
  leave(st, g);
}

/* ---- calls ---- */

static const char spare; /* its address is the registry key of a coroutine that is not in use */

static lua_State *push_coroutine(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &spare) == LUA_TTHREAD) {
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &spare);
    return lua_tothread(L, -1);
  }
  lua_pop(L, 1);
  lua_State *co = lua_newthread(L);
  lua_sethook(co, NULL, 0, 0); /* one of L is inherited */
  return co;
}

/* The coroutine, which is at `index`, can be used again when it has run to its end. */
static void keep(lua_State *L, int index) {
  lua_State *co = lua_tothread(L, index);
  lua_settop(co, 0);
  lua_sethook(co, NULL, 0, 0);
  lua_pushvalue(L, index);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &spare);
}

/* The same as lp_guard_call, with the rights of an environment. */
static int call(lua_State *L, int nargs, unsigned environment) {
  lp_state *st = lp_state_of(L);
  lp_guard g;
  int count;
  luaL_checkstack(L, 4, NULL);
  lua_State *co = push_coroutine(L), *outer = st->guard_co;
  lua_insert(L, -(nargs + 2));
  if (!lua_checkstack(co, nargs + 1)) luaL_error(L, "too many arguments");
  lua_xmove(L, co, nargs + 1);
  lp_guard_begin(st, &g, co, L);
  st->guard_co = co;
  unsigned rights = lp_environment_enter(st, environment);
  int status = lua_resume(co, L, nargs, &count);
  bool yielded = status == LUA_YIELD;
  if (status != LUA_OK) status = lua_resetthread(co);
  lp_environment_enter(st, rights);
  st->guard_co = outer;
  lp_guard_end(st, &g, co);
  if (yielded) { /* a C library yields out of any coroutine */
    lua_pushliteral(L, "attempt to yield from outside a coroutine");
    status = LUA_ERRRUN;
  } else {
    if (status == LUA_OK) lua_settop(co, 1);
    lua_xmove(co, L, 1);
    if (status == LUA_OK) keep(L, lua_gettop(L) - 1);
  }
  lua_remove(L, -2);
  return status;
}

int lp_guard_call(lua_State *L, int nargs) {
  return call(L, nargs, lp_environment_current(L));
}

int lp_guard_pcall(lp_state *st, int nargs, int nresults) {
  lua_State *L = st->L;
  lp_guard g;
  if (st->limits.block_us <= 0) return lua_pcall(L, nargs, nresults, 0);
  enter(st, &g);
  lp_interrupt_again(st);
  run(st, &g, L, g.running);
  int status = lua_pcall(L, nargs, nresults, 0);
  come_back(st, &g, L);
  leave(st, &g);
  return status;
}

/* ---- texts ---- */

/* Argument: a value. */
static int to_string(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  return 1;
}

const char *lp_guard_tostring(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 6, NULL);
  if (luaL_getmetafield(L, index, "__tostring") == LUA_TNIL)
    return luaL_tolstring(L, index, NULL);
  lua_pop(L, 1);
  lua_pushcfunction(L, to_string);
  lua_pushvalue(L, index);
  if (lp_guard_call(L, 1) == LUA_OK) return lua_tostring(L, -1);
  if (lua_type(L, -1) == LUA_TTABLE) {
    lua_pushliteral(L, "message");
    lua_rawget(L, -2);
    lua_replace(L, -2);
  }
  const char *why = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "no text";
  lua_pushfstring(L, "(a %s whose __tostring raises: %s)", luaL_typename(L, index), why);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

/* ---- finalizers ---- */

static int finish_call(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  return lua_gettop(L);
}

/* Stands in the place of a __gc metamethod, its upvalue. A script that calls it by hand may
 * wait in it. When a runtime that closes has used up its time nothing is finalized. Scripts of
 * environments have no finalizers, so whatever task runs it has the rights of the free one. */
static int finalize(lua_State *L) {
  lp_state *st = lp_state_of(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  int nargs = lua_gettop(L) - 1;
  if (lua_isyieldable(L)) {
    lua_callk(L, nargs, LUA_MULTRET, 0, finish_call);
    return finish_call(L, LUA_OK, 0);
  }
  if (st->interrupt.ending && lp_interrupt_over(st)) return 0;
  return call(L, nargs, 0) == LUA_OK ? 0 : lua_error(L);
}

/* C functions are those of libraries, which come back. A state of the host outlives the
 * runtime, and is left as it is. */
static void wrap(lua_State *L, int index) {
  if (!lua_istable(L, index) || lp_state_of(L)->attached) return;
  lua_pushliteral(L, "__gc");
  int type = lua_rawget(L, index);
  bool calls = type == LUA_TFUNCTION || type == LUA_TTABLE || type == LUA_TUSERDATA;
  if (calls && !lua_iscfunction(L, -1)) {
    lua_pushcclosure(L, finalize, 1);
    lua_pushliteral(L, "__gc");
    lua_insert(L, -2);
    lua_rawset(L, index);
  } else {
    lua_pop(L, 1);
  }
}

bool lp_guard_push_finalizer(lua_State *L, int index) {
  if (lua_tocfunction(L, index) != finalize) return false;
  lua_getupvalue(L, index, 1);
  return true;
}

void lp_guard_set_metatable(lua_State *L, int index) {
  index = lua_absindex(L, index);
  wrap(L, lua_gettop(L));
  lua_setmetatable(L, index);
}

/* setmetatable and debug.setmetatable: the standard function, the upvalue, is called in this
 * frame, so that its errors name the right one. */
static int set_metatable(lua_State *L) {
  if (lua_gettop(L) >= 2) wrap(L, 2);
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static void replace(lua_State *L) {
  lua_getfield(L, -1, "setmetatable");
  lua_pushcclosure(L, set_metatable, 1);
  lua_setfield(L, -2, "setmetatable");
  lua_pop(L, 1);
}

void lp_guard_open(lua_State *L) {
  lua_pushglobaltable(L);
  replace(L);
  lua_getglobal(L, LUA_DBLIBNAME);
  replace(L);
}
