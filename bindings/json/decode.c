/* bindings/json/decode.c: JSON text to Lua values, by jansson.
 *
 * Integers stay integers of 64 bits, numbers with a fraction or an exponent are floats. What
 * jansson refuses although it can be read is mended, and read again (mend.c). The
 * tree that jansson makes belongs to decode alone and is given back however decode ends. null
 * is the light userdata json.null, an empty list carries the metatable of json.array. Layer:
 * bindings; any process. */
#include "bindings/json/decode.h"

#include <jansson.h>
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "bindings/json/json.h"
#include "bindings/json/mend.h"
#include "runtime/base/stack.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"
#include "runtime/loop/weight.h"

/* How a tree becomes values. */
typedef struct reading {
  json_t *root;
  double infinity; /* This number of the text stands for one beyond all floats; 0 for none. */
  bool drop_null;  /* What is null is left out of objects and lists. */
} reading;

static void push_value(lua_State *L, json_t *v, const reading *t);

static bool is_dropped(const json_t *v, const reading *t) {
  return t->drop_null && json_is_null(v);
}

static void push_object(lua_State *L, json_t *object, const reading *t) {
  const char *key;
  json_t *value;
  lua_createtable(L, 0, (int)json_object_size(object));
  json_object_foreach(object, key, value) {
    if (is_dropped(value, t)) continue;
    lua_pushstring(L, key);
    push_value(L, value, t);
    lua_rawset(L, -3);
  }
}

static void push_array(lua_State *L, json_t *array, const reading *t) {
  size_t n = json_array_size(array);
  lua_Integer pushed = 0;
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    if (is_dropped(json_array_get(array, i), t)) continue;
    push_value(L, json_array_get(array, i), t);
    lua_rawseti(L, -2, ++pushed);
  }
  if (pushed > 0) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lpb_json_array);
  lua_setmetatable(L, -2);
}

static void push_real(lua_State *L, double x, double infinity) {
  bool infinite = infinity != 0 && fabs(x) == infinity;
  lua_pushnumber(L, infinite ? copysign(HUGE_VAL, x) : x);
}

static void push_null(lua_State *L, bool drop) {
  if (drop)
    lua_pushnil(L); /* the whole text is null */
  else
    lua_pushlightuserdata(L, (void *)&lpb_json_null);
}

static void push_value(lua_State *L, json_t *v, const reading *t) {
  luaL_checkstack(L, 4, "json.decode");
  switch (json_typeof(v)) {
  case JSON_OBJECT: push_object(L, v, t); break;
  case JSON_ARRAY: push_array(L, v, t); break;
  case JSON_STRING: lua_pushlstring(L, json_string_value(v), json_string_length(v)); break;
  case JSON_INTEGER: lua_pushinteger(L, json_integer_value(v)); break;
  case JSON_REAL: push_real(L, json_real_value(v), t->infinity); break;
  case JSON_TRUE: lua_pushboolean(L, 1); break;
  case JSON_FALSE: lua_pushboolean(L, 0); break;
  case JSON_NULL: push_null(L, t->drop_null); break;
  }
}

enum { FLAGS = JSON_DECODE_ANY | JSON_ALLOW_NUL };

static int push_tree(lua_State *L) {
  const reading *t = lua_touserdata(L, 1);
  push_value(L, t->root, t);
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

/* What the tree of a text weighs at most, in jansson as in 2.14: an object has a table of eight
 * lists from the beginning, a list room for eight items, each of which is a block of memory. */
static size_t weight_of(const char *text, size_t len) {
  enum { OBJECT = 320, LIST = 144, ITEM = 64, KEY = 96 };
  size_t weight = len + ITEM;
  for (size_t i = 0; i < len; i++) {
    switch (text[i]) {
    case '{': weight += OBJECT; break;
    case '[': weight += LIST; break;
    case ',': weight += ITEM; break;
    case ':': weight += KEY; break;
    default: break;
    }
  }
  return weight;
}

/* Reads a text; its tree is counted until drop_tree. NULL and `e` when it is wrong. */
static json_t *load_tree(lua_State *L, const char *text, size_t len, size_t weight,
                         json_error_t *e) {
  lp_weight_add(L, weight, "json.decode");
  json_t *tree = json_loadb(text, len, FLAGS, e);
  if (!tree) lp_weight_drop(lp_state_of(L), weight);
  return tree;
}

static void drop_tree(lua_State *L, json_t *tree, size_t weight) {
  json_decref(tree);
  lp_weight_drop(lp_state_of(L), weight);
}

/* Reads a text that jansson has refused for the sake of numbers or surrogates. NULL when it is
 * wrong in another way, too, or none of these is the fault; `e` tells then what is wrong. */
static json_t *load_mended(lua_State *L, const char *text, size_t len, size_t weight,
                           bool numbers, double *infinity, json_error_t *e) {
  char *copy = lua_newuserdatauv(L, len + 1, 0);
  memcpy(copy, text, len);
  copy[len] = 0;
  bool changed = lpb_json_mend(copy, len, numbers, infinity);
  return changed ? load_tree(L, copy, len, weight, e) : NULL;
}

/* core.decode(text, exact, drop_null) -> value. Raises kind `json` with line, column and
 * position (in bytes). With `exact` a number that would lose digits is refused. */
static int json_decode(lua_State *L) {
  size_t len;
  const char *text = lp_usage_string(L, 1, "json.decode", &len);
  bool exact = lua_toboolean(L, 2);
  reading t = {.drop_null = lua_toboolean(L, 3)};
  json_error_t e;
  if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
    text += 3, len -= 3; /* a byte order mark */
  if (is_too_deep(text, len)) return lp_raise(L, "json", "nested too deep for this stack");
  lua_settop(L, 1);
  size_t weight = lp_weight_counts(L) ? weight_of(text, len) : 0;
  t.root = load_tree(L, text, len, weight, &e);
  if (!t.root) t.root = load_mended(L, text, len, weight, !exact, &t.infinity, &e);
  if (!t.root) return raise_parse_error(L, &e);
  lua_settop(L, 1);
  lua_pushcfunction(L, push_tree); /* never fails: there is room for it */
  lua_pushlightuserdata(L, &t);
  int status = lua_pcall(L, 1, 1, 0);
  drop_tree(L, t.root, weight);
  return status == LUA_OK ? 1 : lua_error(L);
}

const luaL_Reg lpb_json_decode_functions[] = {{"decode", json_decode}, {NULL, NULL}};
