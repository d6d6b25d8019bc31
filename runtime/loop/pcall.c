/* loop/pcall.c: pcall and xpcall of scripts, and lp_pcall for C. assert and error are here,
 * too, as they may raise the error of a cancellation again. In all else they behave as the
 * standard ones. Layer: loop. */
#include "runtime/loop/pcall.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/loop/guard.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"

/* While the error of a cancellation is on its way up, the task is `unwinding`. Whoever catches
 * the error puts back what the flag was before; so does whoever has resumed a coroutine, when
 * that gives control back: coroutine.c. */
static bool unwinding(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  return t && t->unwinding;
}

static void set_unwinding(lua_State *L, bool on) {
  lp_task *t = lp_state_of(L)->current;
  if (t) t->unwinding = on;
}

/* pcall and xpcall: `context` is (values below the results) * 2 + whether the task was
 * unwinding. */
static int finish_pcall(lua_State *L, int status, lua_KContext context) {
  set_unwinding(L, context & 1);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)(context >> 1);
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

static int base_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1); /* first result when there is no error */
  lua_insert(L, 1);
  lua_KContext context = unwinding(L);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, context, finish_pcall);
  return finish_pcall(L, status, context);
}

/* True in a C function that Lua calls in the middle of a hook, where no hook acts. */
static bool is_in_hook(lua_State *L) {
  lua_Debug frame;
  lua_getstack(L, 0, &frame);
  lua_getinfo(L, "n", &frame);
  return strcmp(frame.namewhat, "hook") == 0;
}

/* Calls the message handler of a script, the upvalue. For an error that a hook has raised it
 * runs in a coroutine of its own, else an endless one would never come back; and it does not
 * see that a budget broke. */
static int handle(lua_State *L) {
  lua_settop(L, 1);
  bool in_hook = is_in_hook(L);
  const char *kind = in_hook ? lp_raise_kind(L, 1) : NULL;
  if (kind && strcmp(kind, "budget") == 0) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  if (in_hook)
    lp_guard_call(L, 1);
  else
    lua_call(L, 1, 1);
  return 1;
}

static int base_xpcall(lua_State *L) {
  int nargs = lua_gettop(L) - 2;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (!lua_iscfunction(L, 2)) {
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle, 1);
    lua_replace(L, 2);
  }
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* f, handler, true, f, arguments */
  lua_KContext context = 2 * 2 + unwinding(L);
  int status = lua_pcallk(L, nargs, LUA_MULTRET, 2, context, finish_pcall);
  return finish_pcall(L, status, context);
}

/* The standard error, except that the task unwinds again when a script raises the error of its
 * cancellation, which it has caught. */
static int base_error(lua_State *L) {
  int level = (int)luaL_optinteger(L, 2, 1);
  lp_task *t = lp_state_of(L)->current;
  lua_settop(L, 1);
  if (lua_type(L, 1) == LUA_TSTRING && level > 0) {
    luaL_where(L, level);
    lua_insert(L, 1);
    lua_concat(L, 2);
  } else if (t && t->cancelled) {
    const char *kind = lp_raise_kind(L, 1);
    if (kind && strcmp(kind, "cancelled") == 0) t->unwinding = true;
  }
  return lua_error(L);
}

/* The standard assert, over our error: `assert(pcall(f))` raises again. */
static int base_assert(lua_State *L) {
  if (lua_toboolean(L, 1)) return lua_gettop(L);
  luaL_checkany(L, 1);
  lua_remove(L, 1);
  lua_pushliteral(L, "assertion failed!");
  lua_settop(L, 1);
  return base_error(L);
}

/* lp_pcall puts this many values below the function that it calls: MARK, by which
 * lp_pcall_is_frame knows it, the continuation and its context. */
enum { MARKED = 3 };
static const char MARK[] = "a call through which waits pass";

/* `context` is (the index of MARK) * 2 + whether the task was unwinding. */
static void unmark(lua_State *L, lua_KContext context) {
  set_unwinding(L, context & 1);
  lua_rotate(L, (int)(context >> 1), -MARKED);
  lua_pop(L, MARKED);
}

static int finish_marked(lua_State *L, int status, lua_KContext context) {
  int mark = (int)(context >> 1);
  lua_KFunction k = (lua_KFunction)(uintptr_t)lua_touserdata(L, mark + 1);
  lua_KContext own = (lua_KContext)lua_touserdata(L, mark + 2);
  unmark(L, context);
  return k(L, status, own);
}

int lp_pcall(lua_State *L, int nargs, int nresults, lua_KFunction k, lua_KContext own) {
  luaL_checkstack(L, MARKED, "too many arguments");
  int mark = lua_gettop(L) - nargs;
  lua_pushlightuserdata(L, k ? (void *)MARK : NULL);
  lua_pushlightuserdata(L, (void *)(uintptr_t)k);
  lua_pushlightuserdata(L, (void *)own);
  lua_rotate(L, mark, MARKED);
  lua_KContext context = mark * 2 + unwinding(L);
  int status = lua_pcallk(L, nargs, nresults, 0, context, k ? finish_marked : NULL);
  unmark(L, context);
  return status;
}

static bool has_mark(lua_State *co, const lua_Debug *frame) {
  bool found = false;
  if (!lua_checkstack(co, 1)) return false;
  for (int i = 1; !found && lua_getlocal(co, frame, i); i++, lua_pop(co, 1))
    found = lua_touserdata(co, -1) == MARK;
  return found;
}

bool lp_pcall_is_frame(lua_State *co, const lua_Debug *frame, lua_CFunction f) {
  return f == base_pcall || f == base_xpcall || has_mark(co, frame);
}

void lp_pcall_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"assert", base_assert},
                                       {"error", base_error},
                                       {"pcall", base_pcall},
                                       {"xpcall", base_xpcall},
                                       {NULL, NULL}};
  lua_pushglobaltable(L);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
