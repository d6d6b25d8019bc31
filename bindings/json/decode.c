/* bindings/json/decode.c: JSON text to Lua values, by jansson.
 *
 * Integers stay integers of 64 bits, numbers with a fraction or an exponent are floats. The
 * tree that jansson makes belongs to decode alone and is given back however decode ends. null
 * is the light userdata json.null, an empty list carries the metatable of json.array. Layer:
 * bindings; any process. */
#include "bindings/json/decode.h"

#include <jansson.h>
#include <lauxlib.h>
#include <string.h>

#include "bindings/json/json.h"
#include "runtime/base/stack.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static void push_value(lua_State *L, json_t *v);

static void push_object(lua_State *L, json_t *object) {
  const char *key;
  json_t *value;
  lua_createtable(L, 0, (int)json_object_size(object));
  json_object_foreach(object, key, value) {
    lua_pushstring(L, key);
    push_value(L, value);
    lua_rawset(L, -3);
  }
}

static void push_array(lua_State *L, json_t *array) {
  size_t n = json_array_size(array);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    push_value(L, json_array_get(array, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  if (n > 0) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lpb_json_array);
  lua_setmetatable(L, -2);
}

static void push_value(lua_State *L, json_t *v) {
  luaL_checkstack(L, 4, "json.decode");
  switch (json_typeof(v)) {
  case JSON_OBJECT: push_object(L, v); break;
  case JSON_ARRAY: push_array(L, v); break;
  case JSON_STRING: lua_pushlstring(L, json_string_value(v), json_string_length(v)); break;
  case JSON_INTEGER: lua_pushinteger(L, json_integer_value(v)); break;
  case JSON_REAL: lua_pushnumber(L, json_real_value(v)); break;
  case JSON_TRUE: lua_pushboolean(L, 1); break;
  case JSON_FALSE: lua_pushboolean(L, 0); break;
  case JSON_NULL: lua_pushlightuserdata(L, (void *)&lpb_json_null); break;
  }
}

static int push_tree(lua_State *L) {
  push_value(L, lua_touserdata(L, 1));
  return 1;
}

/* jansson quotes the input in its text: a quoted control character must not break the line. */
static int raise_parse_error(lua_State *L, json_error_t *e) {
  for (char *c = e->text; *c; c++)
    if ((unsigned char)*c < ' ') *c = ' ';
  lp_raise_push(L, "json", "json.decode: line %d, column %d: %s", e->line, e->column, e->text);
  lua_pushinteger(L, e->line);
  lua_setfield(L, -2, "line");
  lua_pushinteger(L, e->column);
  lua_setfield(L, -2, "column");
  lua_pushinteger(L, e->position);
  lua_setfield(L, -2, "position");
  return lua_error(L);
}

/* jansson does not look how much stack there is. So where it may be too little for a text of
 * the deepest nesting, we look how deep this one is: at most, as brackets in strings count too.
 */
static bool is_too_deep(const char *text, size_t len) {
  enum { LEVEL = 512, WHOLE = LPB_JSON_DEPTH * LEVEL }; /* bytes of stack */
  size_t left = lp_stack_left(), depth = 0, deepest = 0;
  if (left > WHOLE) return false;
  for (size_t i = 0; i < len; i++) {
    if ((text[i] == ']' || text[i] == '}') && depth > 0) depth--;
    if ((text[i] == '[' || text[i] == '{') && ++depth > deepest) deepest = depth;
  }
  return deepest > LPB_JSON_SHALLOW && deepest > left / LEVEL;
}

/* json.decode(text) -> value. Raises kind `json` with line, column and position (in bytes). */
static int json_decode(lua_State *L) {
  size_t len;
  const char *text = lp_usage_string(L, 1, "json.decode", &len);
  json_error_t e;
  if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    text += 3, len -= 3; /* a byte order mark */
  if (is_too_deep(text, len)) return lp_raise(L, "json", "nested too deep for this stack");
  lua_settop(L, 1);
  lua_pushcfunction(L, push_tree);
  json_t *tree = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
  if (!tree) return raise_parse_error(L, &e);
  lua_pushlightuserdata(L, tree);
  int status = lua_pcall(L, 1, 1, 0);
  json_decref(tree);
  return status == LUA_OK ? 1 : lua_error(L);
}

const luaL_Reg lpb_json_decode_functions[] = {{"decode", json_decode}, {NULL, NULL}};
