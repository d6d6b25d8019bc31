/* loop/anchor.c: Lua would move one large table as it grows, and the collector would go through
 * all of it whenever a new value is put there. So there are many small tables, each with a
 * reference in the registry; a number is made of that reference and an index in the table.
 * Layer: loop. */
#include "runtime/loop/anchor.h"

#include <lauxlib.h>

enum { SIZE = 64 };

static int index_of(int number) {
  return number % SIZE + 1;
}

static void push_table(lua_State *L, int number) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, number / SIZE);
}

/* Makes a table of SIZE free numbers. Each free number holds the next one, and the last holds
 * what `free` was: a finalizer that runs meanwhile may have made a table, too. */
static void add_table(lua_State *L, lp_anchors *a) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, a->tables);
  lua_createtable(L, SIZE, 0);
  lua_pushvalue(L, -1);
  int first = luaL_ref(L, LUA_REGISTRYINDEX) * SIZE;
  for (int i = 1; i <= SIZE; i++) {
    lua_pushinteger(L, i < SIZE ? first + i : a->free);
    lua_rawseti(L, -2, i);
  }
  lua_pushinteger(L, first);
  lua_rawseti(L, -3, a->count + 1);
  lua_pop(L, 2);
  a->count++;
  a->free = first;
}

int lp_anchor_add(lua_State *L, lp_anchors *a) {
  if (!a->free) add_table(L, a);
  int number = a->free;
  push_table(L, number);
  lua_rawgeti(L, -1, index_of(number));
  a->free = (int)lua_tointeger(L, -1);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -3, index_of(number));
  lua_pop(L, 2);
  return number;
}

void lp_anchor_remove(lua_State *L, lp_anchors *a, int number) {
  push_table(L, number);
  lua_pushinteger(L, a->free);
  lua_rawseti(L, -2, index_of(number));
  lua_pop(L, 1);
  a->free = number;
}

void lp_anchor_push(lua_State *L, int number) {
  push_table(L, number);
  lua_rawgeti(L, -1, index_of(number));
  lua_replace(L, -2);
}

/* Returns the first userdata from `*place` on in its table, or NULL. */
static void *next_of_table(lua_State *L, const lp_anchors *a, int *place) {
  void *found;
  lua_rawgeti(L, LUA_REGISTRYINDEX, a->tables);
  lua_rawgeti(L, -1, *place / SIZE + 1);
  push_table(L, (int)lua_tointeger(L, -1));
  do {
    lua_rawgeti(L, -1, index_of((*place)++));
    found = lua_touserdata(L, -1);
    lua_pop(L, 1);
  } while (!found && *place % SIZE);
  lua_pop(L, 3);
  return found;
}

void *lp_anchor_next(lua_State *L, const lp_anchors *a, int *place) {
  void *found = NULL;
  while (!found && *place < a->count * SIZE) found = next_of_table(L, a, place);
  return found;
}

void lp_anchor_open(lua_State *L, lp_anchors *a) {
  lua_newtable(L);
  *a = (lp_anchors){.tables = luaL_ref(L, LUA_REGISTRYINDEX)};
}
