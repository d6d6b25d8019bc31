/* loop/raise.c: error objects: tables with a kind, a message and a traceback. Layer: loop. */
#include "runtime/loop/raise.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/scripts.h"
#include "runtime/loop/state.h"
#include "runtime/loop/usage.h"

static const char CLASS[] = "luapool.error";

/* The level of the first Lua function on the stack that is not of luapool; 0 when there is
 * none. */
static int user_level(lua_State *L) {
  lua_Debug frame;
  int level = 0;
  while (lua_getstack(L, level, &frame) && lua_getinfo(L, "S", &frame)) {
    bool own = *frame.what == 'C' || lp_script_flags(&frame) & LP_SCRIPT_OURS;
    if (!own) return level;
    level++;
  }
  return 0;
}

/* Stack: the message. Leaves the object in its place. */
static void make(lua_State *L, const char *kind, int level) {
  lua_createtable(L, 0, 4);
  lua_insert(L, -2);
  lua_setfield(L, -2, "message");
  lua_pushstring(L, kind);
  lua_setfield(L, -2, "kind");
  if (strcmp(kind, "cancelled") != 0) {
    luaL_traceback(L, L, NULL, level);
    lua_setfield(L, -2, "traceback");
  }
  luaL_setmetatable(L, CLASS);
}

static void push(lua_State *L, const char *kind, const char *message, va_list args) {
  luaL_checkstack(L, 8, NULL);
  int level = user_level(L);
  luaL_where(L, level);
  lua_pushvfstring(L, message, args);
  lua_concat(L, 2);
  make(L, kind, level);
}

void lp_raise_push(lua_State *L, const char *kind, const char *message, ...) {
  va_list args;
  va_start(args, message);
  push(L, kind, message, args);
  va_end(args);
}

int lp_raise(lua_State *L, const char *kind, const char *message, ...) {
  va_list args;
  va_start(args, message);
  push(L, kind, message, args);
  va_end(args);
  return lua_error(L);
}

int lp_raise_code(lua_State *L, int code, const char *what) {
  const char *text = lp_error_text(code);
  if (what) return lp_raise(L, lp_error_kind(code), "%s: %s", what, text);
  return lp_raise(L, lp_error_kind(code), "%s", text);
}

const char *lp_raise_kind(lua_State *L, int index) {
  const char *kind = NULL;
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return NULL;
  luaL_getmetatable(L, CLASS);
  bool ours = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  if (!ours) return NULL;
  index = lua_absindex(L, index);
  lua_pushliteral(L, "kind");
  if (lua_rawget(L, index) == LUA_TSTRING) kind = lua_tostring(L, -1);
  lua_pop(L, 1); /* the table keeps the string alive */
  return kind;
}

/* Stack: kind, message, fields or nil. Pushes the error object. */
static void push_new(lua_State *L, bool placed, const char *function) {
  lua_settop(L, 3);
  const char *kind = lp_usage_string(L, 1, function, NULL);
  int level = user_level(L);
  lp_usage_string(L, 2, function, &(size_t){0});
  if (!lua_isnoneornil(L, 3) && !lua_istable(L, 3))
    lp_usage_argument(L, 3, function, "a table of fields");
  luaL_where(L, placed ? level : -1);
  lua_pushvalue(L, 2);
  lua_concat(L, 2);
  make(L, kind, level);
  if (lua_isnil(L, 3)) return;
  for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, 4);
  }
}

/* What luapool raises. Its other fields are listed with its kind.
 *
 * ```lua
 * local ok, e = pcall(fs.read, "/no/such/file")
 * assert(e.kind == "fs" and e.message == tostring(e) and e.traceback:find "^stack traceback:")
 * ```
 * @class luapool.Error
 * @within error
 * @field kind string a short word
 * @field message string one line
 * @field traceback? string where it came from in Lua code */

/* Makes an error object; `error(e)` raises it.
 *
 * ```lua
 * local e = luapool.error.new("stale", "the page is old", { age = 3600 })
 * print(e, e.kind, e.age) --> the page is old stale 3600
 * ```
 * @function error.new
 * @param kind string a short word of your own, or one of luapool's
 * @param message string
 * @param fields? table is copied into it
 * @return luapool.Error */
static int error_new(lua_State *L) {
  push_new(L, false, "error.new");
  return 1;
}

/* Raises a new error object, whose message begins with the line of the caller.
 *
 * ```lua
 * local ok, e = pcall(function() luapool.error.raise("stale", "too old", { age = 9 }) end)
 * print(e.kind, e.age, e.message:match "too old$") --> stale 9 too old
 * ```
 * @function error.raise
 * @param kind string
 * @param message string
 * @param fields? table is copied into it */
static int error_raise(lua_State *L) {
  push_new(L, true, "error.raise");
  return lua_error(L);
}

/* Tells whether a value is an error object, of this kind when one is given.
 *
 * ```lua
 * local e = luapool.error.new("stale", "too old")
 * local is = luapool.error.is
 * print(is(e), is(e, "stale"), is(e, "timeout"), is("text")) --> true true false false
 * ```
 * @function error.is
 * @param value any
 * @param kind? string
 * @return boolean */
static int error_is(lua_State *L) {
  lua_settop(L, 2);
  const char *wanted = lua_isnil(L, 2) ? NULL : lp_usage_string(L, 2, "error.is", NULL);
  const char *kind = lp_raise_kind(L, 1);
  lua_pushboolean(L, kind && (!wanted || strcmp(kind, wanted) == 0));
  return 1;
}

/* core.where() -> "file:line: " of the user's line that has led here, or "". */
static int error_where(lua_State *L) {
  luaL_where(L, user_level(L));
  return 1;
}

void lp_raise_explain(lua_State *L, int index) {
  const char *text = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "";
  if (!strstr(text, "a nil value (global '")) return;
  lua_pushvalue(L, index);
  lua_pushliteral(L, ": globals do not travel to workers, use a local or set it in init");
  lua_concat(L, 2);
  lua_replace(L, index);
}

/* core.explain(err) -> err, for what a worker does not raise but reports. */
static int error_explain(lua_State *L) {
  lua_settop(L, 1);
  lp_raise_explain(L, 1);
  return 1;
}

static int error_tostring(lua_State *L) {
  lua_getfield(L, 1, "message");
  luaL_tolstring(L, -1, NULL);
  return 1;
}

/* __concat of errors and of other objects of luapool. See lp_coroutine_again. */
static int error_concat(lua_State *L) {
  lua_settop(L, 2);
  if (!lp_state_of(L)->current || !lp_coroutine_suspendable(L)) {
    /* A text, as a message handler that does it is called again for this error. */
    luaL_tolstring(L, lua_type(L, 1) == LUA_TSTRING ? 2 : 1, NULL);
    lp_coroutine_push_obstacle(L);
    return luaL_error(L, "an object cannot be concatenated here (%s), use tostring: %s",
                      lua_tostring(L, -1), lua_tostring(L, 3));
  }
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return lp_coroutine_again(L);
}

static void open_class(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"__tostring", error_tostring}, {"__concat", error_concat}, {NULL, NULL}};
  if (luaL_newmetatable(L, CLASS)) luaL_setfuncs(L, methods, 0);
}

int luaopen_luapool_error_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"new", error_new},
                                       {"raise", error_raise},
                                       {"is", error_is},
                                       {"where", error_where},
                                       {"explain", error_explain},
                                       {"concat", error_concat},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lp_usage_open(L);
  open_class(L);
  lua_setfield(L, -2, "class");
  return 1;
}
