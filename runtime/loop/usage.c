/* loop/usage.c: the errors of calls that are wrong, and the checks that C functions share.
 * Layer: loop. */
#include "runtime/loop/usage.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <string.h>

#include "runtime/loop/guard.h"
#include "runtime/loop/raise.h"

static const char USAGE[] = "usage";

/* ---- what a value is ---- */

enum { SHOWN = 40 }; /* bytes of a string */

/* Its beginning, in quotes, on one line. A character of several bytes is not cut. */
static const char *describe_string(lua_State *L, int index) {
  size_t len;
  const char *s = lua_tolstring(L, index, &len);
  size_t shown = len <= SHOWN ? len : SHOWN;
  while (shown < len && shown > 0 && ((unsigned char)s[shown] & 0xC0) == 0x80) shown--;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  luaL_addchar(&b, '"');
  for (size_t i = 0; i < shown; i++)
    luaL_addchar(&b, iscntrl((unsigned char)s[i]) ? '?' : s[i]);
  luaL_addstring(&b, shown < len ? "...\"" : "\"");
  luaL_pushresult(&b);
  return lua_tostring(L, -1);
}

/* The name of its class, or its type. */
static const char *describe_object(lua_State *L, int index) {
  const char *type = luaL_typename(L, index);
  if (lua_isthread(L, index)) type = "coroutine";
  if (luaL_getmetafield(L, index, "__name") == LUA_TNIL)
    return lua_pushfstring(L, "a %s", type);
  if (lua_type(L, -1) == LUA_TSTRING) type = lua_tostring(L, -1);
  const char *text = lua_pushfstring(L, "a %s", type);
  lua_remove(L, -2);
  return text;
}

const char *lp_usage_describe(lua_State *L, int index) {
  luaL_checkstack(L, 8, NULL);
  switch (lua_type(L, index)) {
  case LUA_TNONE: return lua_pushliteral(L, "no value");
  case LUA_TSTRING: return describe_string(L, index);
  case LUA_TNIL:
  case LUA_TBOOLEAN:
  case LUA_TNUMBER: return luaL_tolstring(L, index, NULL);
  case LUA_TLIGHTUSERDATA: return lua_pushliteral(L, "json.null"); /* scripts see no other */
  default: return describe_object(L, index);
  }
}

/* ---- the text of an error ---- */

enum { FIELDS = 8 };

/* Stack: a key. Its place among those shown, which stand from `first` on in their order. */
static int place_of(lua_State *L, int first, int n) {
  int i = 0;
  while (i < n && !lua_compare(L, -1, first + i, LUA_OPLT)) i++;
  return first + i;
}

/* Pushes the first few string keys of the table at `index`, sorted; returns how many. */
static int push_names(lua_State *L, int index, bool *more) {
  int first = lua_gettop(L) + 1, n = 0;
  for (lua_pushnil(L); lua_next(L, index);) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING || n == FIELDS) {
      *more = true;
      continue;
    }
    lua_pushvalue(L, -1);
    lua_insert(L, place_of(L, first, n++));
  }
  return n;
}

static void push_fields(lua_State *L, int index) {
  bool more = false;
  int first = lua_gettop(L) + 1, n = push_names(L, index, &more);
  lua_pushliteral(L, "{");
  for (int i = 0; i < n; i++) {
    lua_pushfstring(L, "%s%s = ", i ? ", " : "", lua_tostring(L, first + i));
    lua_pushvalue(L, first + i);
    lua_rawget(L, index);
    lp_usage_describe(L, -1);
    lua_replace(L, -2);
    lua_concat(L, 3);
  }
  lua_pushstring(L, !more ? "}" : n ? ", ...}" : "...}");
  lua_concat(L, 2);
  if (n > 0) lua_replace(L, first); /* else it stands there */
  lua_settop(L, first);
}

const char *lp_usage_error_text(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, FIELDS + 16, NULL);
  bool plain = lua_istable(L, index) && luaL_getmetafield(L, index, "__tostring") == LUA_TNIL;
  if (plain)
    push_fields(L, index);
  else {
    if (lua_istable(L, index)) lua_pop(L, 1);
    lp_guard_tostring(L, index);
  }
  return lua_tostring(L, -1);
}

/* ---- errors ---- */

int lp_usage_raise(lua_State *L, const char *function, const char *text, ...) {
  va_list args;
  va_start(args, text);
  const char *said = lua_pushvfstring(L, text, args);
  va_end(args);
  return lp_raise(L, USAGE, "%s: %s", function, said);
}

static int wrong_argument(lua_State *L, int n, const char *function, const char *expected,
                          const char *got) {
  return lp_raise(L, USAGE, "bad argument #%d to '%s' (%s expected, got %s)", n, function,
                  expected, got);
}

int lp_usage_argument(lua_State *L, int arg, const char *function, const char *expected) {
  const char *got = lp_usage_describe(L, arg);
  return wrong_argument(L, strchr(function, ':') ? arg - 1 : arg, function, expected, got);
}

static int wrong_self(lua_State *L, int index, const char *method, const char *class) {
  const char *got = lua_isnoneornil(L, index) ? "nothing" : lp_usage_describe(L, index);
  return lp_raise(L, USAGE, "'%s' was not called on a %s (but on %s): is it called with ':'?",
                  method, class, got);
}

int lp_usage_self(lua_State *L, const char *method, const char *class) {
  return wrong_self(L, 1, method, class);
}

/* ---- checks ---- */

const char *lp_usage_string(lua_State *L, int arg, const char *function, size_t *len) {
  size_t length;
  const char *s = lua_tolstring(L, arg, &length);
  if (!s) lp_usage_argument(L, arg, function, "a string");
  if (len)
    *len = length;
  else if (strlen(s) != length)
    lp_usage_argument(L, arg, function, "a string without a zero byte");
  return s;
}

double lp_usage_seconds(lua_State *L, int arg, const char *function) {
  double seconds = lua_type(L, arg) == LUA_TNUMBER ? lua_tonumber(L, arg) : -1;
  if (!(seconds >= 0)) lp_usage_argument(L, arg, function, "a number of seconds >= 0");
  return seconds;
}

double lp_usage_opt_seconds(lua_State *L, int arg, const char *function) {
  return lua_isnoneornil(L, arg) ? -1 : lp_usage_seconds(L, arg, function);
}

bool lp_usage_is_callable(lua_State *L, int index) {
  if (lua_isfunction(L, index)) return true;
  if (luaL_getmetafield(L, index, "__call") == LUA_TNIL) return false;
  lua_pop(L, 1);
  return true;
}

void lp_usage_callable(lua_State *L, int arg, const char *function) {
  if (!lp_usage_is_callable(L, arg)) lp_usage_argument(L, arg, function, "a function");
}

/* ---- for the Lua half ---- */

/* core.usage(function, text). Raises "<function>: <text>". */
static int raise_usage(lua_State *L) {
  return lp_usage_raise(L, luaL_checkstring(L, 1), "%s", luaL_checkstring(L, 2));
}

/* core.argument(function, n, expected, value). Raises that the n-th argument is wrong. */
static int raise_argument(lua_State *L) {
  const char *function = luaL_checkstring(L, 1), *expected = luaL_checkstring(L, 3);
  int n = (int)luaL_checkinteger(L, 2);
  lua_settop(L, 4);
  return wrong_argument(L, n, function, expected, lp_usage_describe(L, 4));
}

/* core.not_self(method, class name, value). Raises that the method was called on this value. */
static int raise_not_self(lua_State *L) {
  return wrong_self(L, 3, luaL_checkstring(L, 1), luaL_checkstring(L, 2));
}

/* core.describe(value) -> what it is, as messages show it. */
static int describe(lua_State *L) {
  lua_settop(L, 1);
  lp_usage_describe(L, 1);
  return 1;
}

/* core.text(error) -> its text on one line. */
static int text(lua_State *L) {
  lua_settop(L, 1);
  lp_usage_error_text(L, 1);
  return 1;
}

void lp_usage_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"usage", raise_usage},
                                       {"argument", raise_argument},
                                       {"not_self", raise_not_self},
                                       {"describe", describe},
                                       {"text", text},
                                       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
