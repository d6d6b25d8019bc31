/* bindings/redis/open.c: luapool.redis.core: the protocol of Redis: commands to bytes, bytes to
 * replies, both by hiredis. Connections are in scripts/luapool/internal/redis/. Layer:
 * bindings; any process. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "bindings/bindings.h"
#include "bindings/redis/reader.h"
#include "runtime/base/error.h"
#include "runtime/base/locale.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

/* A command that is made: its arguments. The stack and the lists among the arguments keep texts
 * alive, `kept` those that numbers have become. */
typedef struct command {
  const char *where; /* the method that was called */
  const char **args;
  size_t *sizes;
  int n;
  int given; /* how many of the arguments are not the user's: the name of the command */
  int kept;  /* the index of that table */
} command;

/* Replaces the number at the top by its text: the shortest of 15 or 17 digits that is exact. */
static void number_to_text(lua_State *L) {
  char text[40];
  lua_Number n = lua_tonumber(L, -1);
  locale_t before = lp_locale_begin();
  snprintf(text, sizeof text, "%.15g", n);
  if (strtod(text, NULL) != n) snprintf(text, sizeof text, "%.17g", n);
  lp_locale_end(before);
  lua_pop(L, 1);
  lua_pushstring(L, text);
}

/* Takes the value at the top as one argument; pops it. `arg` is where it stands in the call. */
static void add_value(lua_State *L, command *c, int arg) {
  int type = lua_type(L, -1);
  if (type != LUA_TSTRING && type != LUA_TNUMBER)
    lp_usage_argument(L, arg - 1 - c->given, c->where, "a string, a number or a list of them");
  if (type == LUA_TNUMBER) {
    if (lua_isinteger(L, -1))
      lua_tostring(L, -1);
    else
      number_to_text(L);
  }
  c->args[c->n] = lua_tolstring(L, -1, &c->sizes[c->n]);
  c->n++;
  if (type == LUA_TNUMBER)
    lua_rawseti(L, c->kept, c->n);
  else
    lua_pop(L, 1);
}

/* How many arguments of the command the arguments of the call make. */
static size_t count(lua_State *L, int top) {
  size_t n = 0;
  for (int i = 3; i <= top; i++) n += lua_istable(L, i) ? lua_rawlen(L, i) : 1;
  return n;
}

/* The bytes that hiredis has made. They are kept in a box until Lua has copied them, which may
 * raise. */
static int box_free(lua_State *L) {
  char **box = lua_touserdata(L, 1);
  if (*box) redisFreeCommand(*box);
  *box = NULL;
  return 0;
}

/* core.encode(where, given, ...) -> the bytes of a command. A list among the arguments stands
 * for its items. The errors name the method `where`, whose user has not written the first
 * `given` of them. */
static int redis_encode(lua_State *L) {
  int top = lua_gettop(L);
  command c = {
      .where = luaL_checkstring(L, 1), .given = (int)luaL_checkinteger(L, 2), .kept = top + 1};
  size_t n = count(L, top);
  if (n == 0) lp_usage_raise(L, c.where, "no command");
  if (n > INT32_MAX / 2) lp_usage_raise(L, c.where, "too many arguments");
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  c.args = lua_newuserdatauv(L, n * sizeof *c.args, 0);
  c.sizes = lua_newuserdatauv(L, n * sizeof *c.sizes, 0);
  for (int i = 3; i <= top; i++) {
    lua_Integer items = lua_istable(L, i) ? (lua_Integer)lua_rawlen(L, i) : -1;
    if (items < 0) {
      lua_pushvalue(L, i);
      add_value(L, &c, i);
    }
    for (lua_Integer k = 1; k <= items; k++) {
      lua_rawgeti(L, i, k);
      add_value(L, &c, i);
    }
  }
  char **box = lua_touserdata(L, lua_upvalueindex(1));
  if (*box) redisFreeCommand(*box); /* Lua had no memory for it */
  *box = NULL;
  long long len = redisFormatCommandArgv(box, c.n, c.args, c.sizes);
  if (len < 0) return lp_raise_code(L, LP_EMEMORY, c.where);
  lua_pushlstring(L, *box, (size_t)len);
  redisFreeCommand(*box);
  *box = NULL;
  return 1;
}

int luaopen_luapool_redis_core(lua_State *L) {
  lpb_redis_reader_open(L);
  lua_newtable(L);
  luaL_setfuncs(L, lpb_redis_reader_functions, 0);
  char **box = lp_object_new(L, sizeof *box, 0);
  *box = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, box_free);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_pushcclosure(L, redis_encode, 1);
  lua_setfield(L, -2, "encode");
  return 1;
}
