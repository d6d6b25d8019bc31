/* loop/environment.c: the list of environments, and who uses them. Layer: loop. */
#include "runtime/loop/environment.h"

#include <lauxlib.h>
#include <lualib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"

enum { MOST = UINT16_MAX };

static lp_environment *find(const lp_state *st, unsigned number) {
  return &st->environments[number - 1];
}

/* A number that is free, or 0 for want of memory. */
static unsigned take_number(lp_state *st) {
  for (unsigned i = 1; i <= st->environment_count; i++)
    if (find(st, i)->tables == LUA_NOREF) return i;
  unsigned count = st->environment_count ? st->environment_count * 2 : 4;
  if (count > MOST) return 0;
  lp_environment *list = lp_alloc_resize(st->environments, count * sizeof *list);
  if (!list) return 0;
  st->environments = list;
  unsigned first = st->environment_count + 1;
  st->environment_count = count;
  for (unsigned i = first; i <= count; i++) *find(st, i) = (lp_environment){LUA_NOREF, 0, 0};
  return first;
}

unsigned lp_environment_add(lua_State *L, unsigned allowed) {
  lp_state *st = lp_state_of(L);
  int first = lua_gettop(L) - LP_ENVIRONMENT_REQUIRE;
  lua_createtable(L, LP_ENVIRONMENT_REQUIRE, 0);
  for (int i = LP_ENVIRONMENT_GLOBALS; i <= LP_ENVIRONMENT_REQUIRE; i++) {
    lua_pushvalue(L, first + i);
    lua_rawseti(L, -2, i);
  }
  unsigned number = take_number(st);
  if (!number) lp_raise_code(L, LP_EMEMORY, "cannot make an environment");
  int tables = luaL_ref(L, LUA_REGISTRYINDEX); /* the last thing that may raise */
  *find(st, number) = (lp_environment){tables, allowed, 1};
  lua_settop(L, first);
  st->guarded = true;
  return number;
}

void lp_environment_hold(lp_state *st, unsigned number) {
  if (number) find(st, number)->users++;
}

void lp_environment_release(lp_state *st, unsigned number) {
  if (!number || !st->environments || --find(st, number)->users) return;
  luaL_unref(st->L, LUA_REGISTRYINDEX, find(st, number)->tables);
  find(st, number)->tables = LUA_NOREF;
}

/* What stands in the registry for number 0. */
static void push_free(lua_State *L, int table) {
  if (table == LP_ENVIRONMENT_GLOBALS) {
    lua_pushglobaltable(L);
    return;
  }
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (table == LP_ENVIRONMENT_LOADED) return;
  bool package = table == LP_ENVIRONMENT_PACKAGE;
  lua_getfield(L, -1, package ? LUA_LOADLIBNAME : LUA_GNAME);
  if (!package) lua_getfield(L, -1, "require");
  lua_copy(L, -1, package ? -2 : -3);
  lua_pop(L, package ? 1 : 2);
}

void lp_environment_push(lua_State *L, unsigned number, int table) {
  luaL_checkstack(L, 4, NULL);
  if (!number) {
    push_free(L, table);
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, find(lp_state_of(L), number)->tables);
  lua_rawgeti(L, -1, table);
  lua_remove(L, -2);
}

int lp_environment_load(lua_State *L, unsigned number, const char *bytes, size_t len,
                        const char *chunk) {
  int status = luaL_loadbufferx(L, bytes, len, chunk, "t");
  if (status != LUA_OK || !number) return status;
  lp_environment_push(L, number, LP_ENVIRONMENT_GLOBALS);
  lua_setupvalue(L, -2, 1);
  return LUA_OK;
}

unsigned lp_environment_allowed(const lp_state *st, unsigned number) {
  return number ? find(st, number)->allowed : ~0u;
}

void lp_environment_move(lp_task *t, unsigned number) {
  lp_environment_hold(t->st, number);
  lp_environment_release(t->st, t->environment);
  t->environment = number;
}

void lp_environment_close(lp_state *st) {
  lp_alloc_free(st->environments);
  st->environments = NULL;
  st->environment_count = 0;
}
