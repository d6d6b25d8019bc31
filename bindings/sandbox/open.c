/* bindings/sandbox/open.c: luapool.sandbox.core: what `require` and `package` of luapool ask
 * about the environment of the task that calls them. Layer: bindings; any process. */
#include <lauxlib.h>

#include "bindings/bindings.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/frozen.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"

static const char PLACE[] = "luapool.sandbox.place";

/* core.package() -> package, package.loaded: also when a script has overwritten them. */
static int sandbox_package(lua_State *L) {
  unsigned number = lp_environment_current(L);
  lp_environment_push(L, number, LP_ENVIRONMENT_PACKAGE);
  lp_environment_push(L, number, LP_ENVIRONMENT_LOADED);
  return 2;
}

/* core.load(text, chunk) -> function, or nil and the error. */
static int sandbox_load(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len), *chunk = luaL_checkstring(L, 2);
  if (lp_environment_load(L, lp_environment_current(L), text, len, chunk) == LUA_OK) return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

/* core.frozen(value) -> a frozen table for a table, else the value. */
static int sandbox_frozen(lua_State *L) {
  luaL_checkany(L, 1);
  if (lua_istable(L, 1))
    lp_frozen_push(L, 1);
  else
    lua_settop(L, 1);
  return 1;
}

/* core.is_c_function(value) -> boolean */
static int sandbox_is_c_function(lua_State *L) {
  lua_pushboolean(L, lua_iscfunction(L, 1));
  return 1;
}

/* core.is_free() -> boolean: does the current task run in the free environment? */
static int sandbox_is_free(lua_State *L) {
  lua_pushboolean(L, lp_environment_current(L) == 0);
  return 1;
}

/* core.deny(text): raises it as kind `denied`. */
static int sandbox_deny(lua_State *L) {
  return lp_raise(L, "denied", "%s", luaL_checkstring(L, 1));
}

/* core.allow(what, subject): raises unless it is allowed. */
static int sandbox_allow(lua_State *L) {
  lp_allow_named(L, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
  return 0;
}

/* The current task runs in this environment from now on. Who uses it is not counted. */
static void enter(lp_state *st, unsigned number) {
  lp_environment_enter(st, number);
  if (st->current) st->current->environment = number;
}

static int place_close(lua_State *L) {
  const unsigned *number = luaL_checkudata(L, 1, PLACE);
  enter(lp_state_of(L), *number);
  return 0;
}

/* core.leave() -> nil, or an object whose <close> brings the task back into its environment:
 * until then it runs in the free one, to load a part of luapool for all environments. */
static int sandbox_leave(lua_State *L) {
  unsigned number = lp_environment_current(L);
  if (!number) return 0;
  unsigned *place = lua_newuserdatauv(L, sizeof *place, 0);
  *place = number;
  luaL_setmetatable(L, PLACE);
  enter(lp_state_of(L), 0);
  return 1;
}

int luaopen_luapool_sandbox_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"package", sandbox_package},
                                       {"load", sandbox_load},
                                       {"frozen", sandbox_frozen},
                                       {"is_c_function", sandbox_is_c_function},
                                       {"deny", sandbox_deny},
                                       {"allow", sandbox_allow},
                                       {"leave", sandbox_leave},
                                       {"is_free", sandbox_is_free},
                                       {NULL, NULL}};
  luaL_newmetatable(L, PLACE);
  lua_pushcfunction(L, place_close);
  lua_setfield(L, -2, "__close");
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
