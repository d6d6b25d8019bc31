/* loop/object.c: the objects of an attached runtime, in a table with weak keys: object -> its
 * number. Layer: loop. */
#include "runtime/loop/object.h"

#include <lauxlib.h>

#include "runtime/loop/state.h"
#include "runtime/loop/weak.h"

static const char key; /* its address is the key of the table in the registry */

static void push_objects(lua_State *L) {
  lp_weak_push(L, &key);
}

void *lp_object_new(lua_State *L, size_t size, int values) {
  void *object = lua_newuserdatauv(L, size, values);
  lp_state *st = lp_state_of(L);
  if (!st->attached) return object;
  luaL_checkstack(L, 4, NULL);
  push_objects(L);
  lua_pushvalue(L, -2);
  lua_pushinteger(L, (lua_Integer)++st->objects);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  return object;
}

static int refuse(lua_State *L) {
  return luaL_error(L, "the runtime of this object was closed");
}

static void push_shell_class(lua_State *L) {
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, refuse);
  lua_setfield(L, -2, "__index");
  lua_pushliteral(L, "closed object");
  lua_setfield(L, -2, "__name");
}

/* Stack: the class of shells; above it the object. */
static void finalize(lua_State *L, int shell) {
  int object = lua_gettop(L);
  if (luaL_getmetafield(L, object, "__gc") != LUA_TNIL) {
    lua_pushvalue(L, object);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1);
  }
  lua_pushvalue(L, shell);
  lua_setmetatable(L, object);
}

int lp_object_finalize_all(lua_State *L) {
  lp_state *st = lp_state_of(L);
  lua_settop(L, 0);
  lua_gc(L, LUA_GCCOLLECT); /* the finalizers of those that nobody holds are called by this, */
  lua_gc(L, LUA_GCCOLLECT); /* and they are out of the table after this */
  push_shell_class(L);
  lua_newtable(L);
  push_objects(L);
  for (lua_pushnil(L); lua_next(L, 3);) {
    lua_Integer number = lua_tointeger(L, -1);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, 2, number);
  }
  for (lua_Integer i = (lua_Integer)st->objects; i > 0; i--, lua_settop(L, 3))
    if (lua_rawgeti(L, 2, i) == LUA_TUSERDATA) finalize(L, 1);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  return 0;
}
