/* wire/graph.c: the memory of a graph that both sides remember. Layer: wire. */
#include "runtime/wire/graph.h"

#include <string.h>

void lp_graph_new(lua_State *L) {
  lua_newtable(L);
}

bool lp_graph_is_class(lua_State *L, int key) {
  if (lua_type(L, key) != LUA_TSTRING) return false;
  const char *name = lua_tostring(L, key);
  if (strncmp(name, "__", 2) != 0) return false;
  return lua_isfunction(L, key + 1) || strcmp(name, "__index") == 0;
}

void lp_graph_enter(lua_State *L, int graph, int index) {
  lua_pushvalue(L, index);
  if (lua_rawget(L, graph) == LUA_TNIL) {
    lua_Integer number = (lua_Integer)lua_rawlen(L, graph) + 1;
    lua_pushvalue(L, index);
    lua_rawseti(L, graph, number);
    lua_pushvalue(L, index);
    lua_pushinteger(L, number);
    lua_rawset(L, graph);
  }
  lua_pop(L, 1);
}
