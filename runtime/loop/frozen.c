/* loop/frozen.c: frozen tables. A field of their metatable, whose key no script can have, holds
 * the hidden copy and tells that the table is one. Layer: loop. */
#include "runtime/loop/frozen.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/loop/raise.h"
#include "runtime/loop/weak.h"

static const char mark; /* its address is that key */
static const char memo; /* in the registry: original -> frozen table, weak */

bool lp_frozen_open(lua_State *L, int index) {
  if (!lua_istable(L, index) || !lua_getmetatable(L, index)) return false;
  bool frozen = lua_rawgetp(L, -1, &mark) == LUA_TTABLE;
  if (frozen)
    lua_remove(L, -2);
  else
    lua_pop(L, 2);
  return frozen;
}

void lp_frozen_check(lua_State *L, int index) {
  if (lp_frozen_open(L, index)) lp_raise(L, "denied", "the table is read-only here");
}

bool lp_frozen_class(lua_State *L, int index) {
  if (luaL_getmetafield(L, index, "__name") == LUA_TNIL) return false;
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  bool ours = strncmp(name, "luapool.", strlen("luapool.")) == 0;
  if (!ours) lua_pop(L, 1);
  return ours;
}

void lp_frozen_check_own(lua_State *L, int index) {
  lp_frozen_check(L, index);
  if (lp_frozen_class(L, index))
    lp_raise(L, "denied", "cannot change a %s, which is luapool's", lua_tostring(L, -1));
}

/* ---- metamethods ---- */

static int frozen_newindex(lua_State *L) {
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
  if (name) lp_raise(L, "denied", "cannot set '%s': the table is read-only here", name);
  return lp_raise(L, "denied", "the table is read-only here");
}

static int frozen_len(lua_State *L) {
  if (!lp_frozen_open(L, 1)) return 0;
  lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
  return 1;
}

/* The iterator of pairs: the hidden copy stays hidden. */
static int next_field(lua_State *L) {
  lua_settop(L, 2);
  if (!lp_frozen_open(L, 1)) return luaL_argerror(L, 1, "a read-only table expected");
  lua_insert(L, 2);
  if (lua_next(L, 2)) return 2;
  lua_pushnil(L);
  return 1;
}

static int frozen_pairs(lua_State *L) {
  lua_pushcfunction(L, next_field);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/* ---- making them ---- */

void lp_frozen_wrap(lua_State *L) {
  static const luaL_Reg meta[] = {{"__newindex", frozen_newindex},
                                  {"__len", frozen_len},
                                  {"__pairs", frozen_pairs},
                                  {NULL, NULL}};
  int hidden = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  lua_newtable(L);
  lua_createtable(L, 0, 6);
  luaL_setfuncs(L, meta, 0);
  lua_pushvalue(L, hidden);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, hidden);
  lua_rawsetp(L, -2, &mark);
  lua_setmetatable(L, -2);
  lua_replace(L, hidden);
}

static void push_memo(lua_State *L) {
  lp_weak_push(L, &memo);
}

/* Tables that lead to one another are frozen together: those that are not done stand at
 * `begun`, original -> frozen table, and nobody finds a half of one when memory ends. */
static void freeze(lua_State *L, int index, int begun);

/* Freezes the value on top, in its place, when it is a table without a metatable. */
static void freeze_value(lua_State *L, int begun) {
  if (!lua_istable(L, -1)) return;
  if (lua_getmetatable(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  if (begun)
    freeze(L, lua_gettop(L), begun);
  else
    lp_frozen_push(L, -1);
  lua_replace(L, -2);
}

/* The value on top, that the original has found, is kept in the hidden copy. Stack: the hidden
 * copy, the name, the value. */
static int keep_late(lua_State *L, int status, lua_KContext context) {
  (void)status, (void)context;
  freeze_value(L, 0);
  if (lua_isnil(L, -1)) return 1;
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  lua_rawset(L, 1);
  return 1;
}

/* The __index of a hidden copy whose original finds further fields with a function: that of the
 * module `luapool` loads its parts, and may wait. Upvalues: the function, the original. */
static int find_late(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 2);
  lua_callk(L, 2, 1, 0, keep_late);
  return keep_late(L, LUA_OK, 0);
}

/* What the table `from` finds by a metamethod, its hidden copy `to` finds as well. */
static void add_late(lua_State *L, int from, int to) {
  if (luaL_getmetafield(L, from, "__index") == LUA_TNIL) return;
  if (lua_isfunction(L, -1)) {
    lua_pushvalue(L, from);
    lua_pushcclosure(L, find_late, 2);
  }
  lua_createtable(L, 0, 1);
  lua_insert(L, -2);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, to);
}

static void copy_fields(lua_State *L, int from, int to, int begun) {
  for (lua_pushnil(L); lua_next(L, from);) {
    freeze_value(L, begun);
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, to);
  }
}

/* Pushes the frozen table of the one at `original`, which is not in the memo. */
static void make(lua_State *L, int original, int begun) {
  lua_newtable(L);
  int hidden = lua_gettop(L);
  lua_pushvalue(L, hidden);
  lp_frozen_wrap(L);
  lua_pushvalue(L, original);
  lua_pushvalue(L, -2);
  lua_rawset(L, begun);
  copy_fields(L, original, hidden, begun);
  add_late(L, original, hidden);
  lua_remove(L, hidden);
}

/* Pushes what the table on top, which is popped, has for the one at `original`; or nothing. */
static bool find(lua_State *L, int original) {
  lua_pushvalue(L, original);
  bool found = lua_rawget(L, -2) != LUA_TNIL;
  if (found)
    lua_remove(L, -2);
  else
    lua_pop(L, 2);
  return found;
}

static void freeze(lua_State *L, int index, int begun) {
  luaL_checkstack(L, 12, "tables nested too deeply");
  push_memo(L);
  if (find(L, index)) return;
  lua_pushvalue(L, begun);
  if (!find(L, index)) make(L, index, begun);
}

void lp_frozen_push(lua_State *L, int index) {
  luaL_checkstack(L, 12, NULL);
  lua_pushvalue(L, index);
  int original = lua_gettop(L), begun = original + 1, result = original + 2;
  lua_newtable(L);
  freeze(L, original, begun);
  push_memo(L);
  for (lua_pushnil(L); lua_next(L, begun);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, result + 1);
  }
  lua_settop(L, result);
  lua_replace(L, original);
  lua_settop(L, original);
}
