/* loop/library.c: changes of the standard libraries, as a list of table, key and value in the
 * registry: an exchange puts each value into its table and keeps there what it has found.
 * Layer: loop. */
#include "runtime/loop/library.h"

#include <lauxlib.h>
#include <lualib.h>

static const char key; /* its address is the key of the list in the registry */

static const char *const libraries[] = {
    LUA_GNAME,     LUA_LOADLIBNAME, LUA_COLIBNAME,   LUA_TABLIBNAME,  LUA_IOLIBNAME,
    LUA_OSLIBNAME, LUA_STRLIBNAME,  LUA_UTF8LIBNAME, LUA_MATHLIBNAME, LUA_DBLIBNAME};

/* Stack: a table. Puts a copy on top of it. */
static void copy(lua_State *L) {
  int from = lua_gettop(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, from);) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, from + 1);
  }
}

void lp_library_note(lua_State *L) {
  lua_newtable(L);
  int notes = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
    if (lua_getfield(L, notes + 1, libraries[i]) == LUA_TTABLE) {
      copy(L);
      lua_rawset(L, notes);
    } else {
      lua_pushstring(L, libraries[i]);
      lua_rawseti(L, notes, (lua_Integer)lua_rawlen(L, notes) + 1);
    }
    lua_settop(L, notes + 1);
  }
  lua_settop(L, notes);
}

/* Lists hold this in place of nil. */
static void push_nothing(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&key);
}

/* Stack: list, library, its copy. Appends what has changed: library, name, the old value. */
static void compare(lua_State *L) {
  int list = lua_gettop(L) - 2;
  lua_Integer n = (lua_Integer)lua_rawlen(L, list);
  for (lua_pushnil(L); lua_next(L, list + 1); lua_settop(L, list + 3)) {
    lua_pushvalue(L, list + 3);
    if (lua_rawget(L, list + 2) == LUA_TNIL) push_nothing(L);
    if (lua_rawequal(L, -1, list + 4)) continue;
    lua_pushvalue(L, list + 1);
    lua_rawseti(L, list, ++n);
    lua_pushvalue(L, list + 3);
    lua_rawseti(L, list, ++n);
    lua_rawseti(L, list, ++n);
  }
}

/* Stack: notes. The names among them are those of libraries that the host does not have. */
static void forget_libraries(lua_State *L) {
  int notes = lua_gettop(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, notes); i > 0; i--) {
    lua_rawgeti(L, notes, i);
    lua_pushnil(L);
    lua_rawset(L, notes + 1);
    lua_pushnil(L);
    lua_rawseti(L, notes, i);
  }
  lua_settop(L, notes);
}

void lp_library_put_back(lua_State *L) {
  int notes = lua_gettop(L);
  forget_libraries(L);
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, notes);) {
    lua_pushvalue(L, notes + 1);
    lua_pushvalue(L, notes + 2);
    lua_pushvalue(L, notes + 3);
    compare(L);
    lua_settop(L, notes + 2);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  lua_settop(L, notes - 1);
  lua_pushcfunction(L, lp_library_exchange);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, "luapool.exchange"); /* for runtime/module/ */
  lua_call(L, 0, 0);
}

int lp_library_exchange(lua_State *L) {
  lua_settop(L, 0);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) != LUA_TTABLE) return 0;
  lua_Integer n = (lua_Integer)lua_rawlen(L, 1);
  for (lua_Integer i = 1; i < n; i += 3, lua_settop(L, 1)) {
    lua_rawgeti(L, 1, i + 2);
    lua_rawgeti(L, 1, i);
    lua_rawgeti(L, 1, i + 1);
    lua_pushvalue(L, 4); /* list, new value, library, name, name */
    if (lua_rawget(L, 3) == LUA_TNIL) push_nothing(L);
    lua_rawseti(L, 1, i + 2);
    lua_settop(L, 4);
    if (lua_touserdata(L, 2) == &key)
      lua_pushnil(L);
    else
      lua_pushvalue(L, 2);
    lua_rawset(L, 3);
  }
  return 0;
}
