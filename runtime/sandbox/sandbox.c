/* sandbox/sandbox.c: an environment is put together. Layer: sandbox. */
#include "runtime/sandbox/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/env.h"
#include "runtime/loop/frozen.h"
#include "runtime/loop/part.h"
#include "runtime/loop/raise.h"
#include "runtime/sandbox/base.h"
#include "runtime/sandbox/library.h"

static const char methods_key; /* in the registry: where strings found their methods before */

/* It waits for the end of a runtime that stands on a state of the host. */
typedef struct methods {
  lp_part part;
  lp_state *st;
} methods;

/* Pushes the field of a module of luapool's own scripts. */
static void push_internal(lua_State *L, const char *module, const char *field) {
  lp_env_get(L, "require");
  lua_pushstring(L, module);
  lua_call(L, 1, 1);
  lua_getfield(L, -1, field);
  lua_remove(L, -2);
}

/* What a string finds that its own methods have not: what scripts of the free environment have
 * added to `string`, for themselves. */
static int find_method(lua_State *L) {
  if (lp_environment_current(L)) return 0;
  lua_settop(L, 2);
  lp_environment_push(L, 0, LP_ENVIRONMENT_LOADED);
  if (lua_getfield(L, -1, LUA_STRLIBNAME) != LUA_TTABLE) return 0;
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

/* Pushes the metatable that all strings of a state share. */
static void push_string_class(lua_State *L) {
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_remove(L, -2);
}

static int thaw_methods(lua_State *L) {
  push_string_class(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key);
  lua_setfield(L, -2, "__index");
  return 0;
}

/* The state is the host's, and goes on without us. */
static void close_methods(lp_part *part) {
  lua_State *L = lp_list_of(part, methods, part)->st->L;
  lua_pushcfunction(L, thaw_methods);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) lua_pop(L, 1);
}

static void free_methods(lp_part *part) {
  lp_alloc_free(lp_list_of(part, methods, part));
}

/* Strings get back what they had when the runtime leaves the state of a host. */
static void keep_methods(lua_State *L) {
  static const lp_part_class class = {.close = close_methods, .free = free_methods};
  lp_state *st = lp_state_of(L);
  methods *m = lp_alloc_new(sizeof *m);
  if (!m) lp_raise_code(L, LP_EMEMORY, "cannot make an environment");
  m->st = st;
  lp_part_add(st, &m->part, &class);
}

/* In a runtime that has environments, methods of strings come from the hidden table of the
 * frozen `string`, which is at `library`. */
static void freeze_methods(lua_State *L, int library) {
  bool frozen = lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key) != LUA_TNIL;
  lua_pop(L, 1);
  if (frozen) return;
  push_string_class(L);
  lp_frozen_open(L, library);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, find_method);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_getfield(L, -2, "__index");
  if (lp_state_of(L)->attached) keep_methods(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

/* Sets each field of the table at `from` in the one at `to`. */
static void copy_fields(lua_State *L, int from, int to) {
  for (lua_pushnil(L); lua_next(L, from);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

unsigned lp_sandbox_new(lua_State *L, unsigned allowed) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  int globals = lua_gettop(L) + 1, package = globals + 1, loaded = package + 1;
  lua_createtable(L, 0, 48);
  push_internal(L, "luapool.internal.package", "new");
  lua_pushboolean(L, allowed & LP_ALLOW_NATIVE);
  lua_call(L, 1, 1);
  lua_getfield(L, package, "loaded");
  lp_library_open(L, allowed);
  lua_getfield(L, loaded, LUA_STRLIBNAME);
  freeze_methods(L, loaded + 1);
  lua_pushvalue(L, package);
  lua_setfield(L, loaded, LUA_LOADLIBNAME);
  copy_fields(L, loaded, globals);
  lp_base_push(L, loaded + 1);
  copy_fields(L, loaded + 2, globals);
  lua_pushvalue(L, globals);
  lua_setfield(L, globals, LUA_GNAME);
  lua_pushvalue(L, globals);
  lua_setfield(L, loaded, LUA_GNAME);
  lua_settop(L, loaded);
  push_internal(L, "luapool.internal.require", "user");
  lua_pushvalue(L, -1);
  lua_setfield(L, globals, "require");
  return lp_environment_add(L, allowed);
}

void lp_sandbox_add_searcher(lua_State *L) {
  push_internal(L, "luapool.internal.package", "add");
  lua_insert(L, -2);
  lua_call(L, 1, 0);
}
