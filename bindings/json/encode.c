/* bindings/json/encode.c: Lua values to JSON text, in one pass and without a tree between.
 *
 * The text grows in memory that Lua owns (a userdata in one stack slot, once it outgrows
 * `first`), so an error may be raised anywhere. Nothing here calls back into Lua: tables are
 * read raw, metatables mean nothing but the mark of json.array. Floats are written in the
 * fewest digits that read back as the same number, always as floats (1.0). Layer: bindings; any
 * process. */
#include "bindings/json/encode.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/json/json.h"
#include "runtime/base/stack.h"
#include "runtime/loop/raise.h"

/* A table that is being written; they form a chain on the C stack, the innermost first. */
typedef struct level {
  struct level *up;
  const void *table;
  int key;       /* stack index of the current key, or 0 in a list */
  lua_Integer i; /* the current place in a list */
  int depth;
} level;

typedef struct encoder {
  lua_State *L;
  char *data;
  size_t len, cap;
  int indent; /* columns, or -1 */
  bool sort;
  level *in;
  char first[1024];
} encoder;

/* The stack slot of the text's memory. */
enum { SLOT = 4 };

typedef struct lua_key {
  const char *s;
  size_t len;
} lua_key;

static void put_value(encoder *e, int at);

static char *reserve(encoder *e, size_t n) {
  if (e->cap - e->len < n) {
    size_t cap = e->cap * 2 > e->len + n ? e->cap * 2 : e->len + n;
    char *data = lua_newuserdatauv(e->L, cap, 0);
    memcpy(data, e->data, e->len);
    lua_replace(e->L, SLOT);
    e->data = data;
    e->cap = cap;
  }
  return e->data + e->len;
}

static void put(encoder *e, const char *bytes, size_t n) {
  memcpy(reserve(e, n), bytes, n);
  e->len += n;
}

static void put_char(encoder *e, char c) {
  *reserve(e, 1) = c;
  e->len++;
}

static void add_place(luaL_Buffer *b, lua_State *L, const level *in) {
  if (!in->key) {
    lua_pushfstring(L, "[%I]", (LUAI_UACINT)in->i);
  } else if (lua_type(L, in->key) == LUA_TSTRING) {
    lua_pushfstring(L, ".%s", lua_tostring(L, in->key));
  } else {
    lua_pushliteral(L, ".?");
  }
  luaL_addvalue(b);
}

/* Raises "json.encode: <path>: <what>" with the path as a field: value.items[3].name. */
static int refuse(encoder *e, const char *what) {
  lua_State *L = e->L;
  const level *chain[8], *in = e->in;
  int n = 0;
  for (; in && n < 8; in = in->up) chain[n++] = in;
  luaL_Buffer b;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  luaL_buffinit(L, &b);
  luaL_addstring(&b, in ? "value..." : "value");
  while (n > 0) add_place(&b, L, chain[--n]);
  luaL_pushresult(&b);
  lp_raise_push(L, "json", "json.encode: %s: %s", lua_tostring(L, -1), what);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "path");
  return lua_error(L);
}

static void refuse_key(encoder *e, int at) {
  refuse(e, lua_pushfstring(e->L, "a key that is a %s, not a string", luaL_typename(e->L, at)));
}

/* The length of the UTF-8 sequence at s, or 0 when it is none (surrogates and overlong forms
 * are not). */
static size_t utf8_length(const unsigned char *s, size_t left) {
  unsigned char c = s[0], low = 0x80, high = 0xBF;
  size_t n = c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
  if (n == 0 || n > left) return 0;
  if (c == 0xE0) low = 0xA0;
  if (c == 0xED) high = 0x9F;
  if (c == 0xF0) low = 0x90;
  if (c == 0xF4) high = 0x8F;
  if (s[1] < low || s[1] > high) return 0;
  for (size_t i = 2; i < n; i++)
    if ((s[i] & 0xC0) != 0x80) return 0;
  return n;
}

static void put_escape(encoder *e, unsigned char c) {
  static const char short_forms[][2] = {
      {'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\t', 't'}, {'\r', 'r'}, {'\b', 'b'}, {'\f', 'f'},
  };
  for (size_t i = 0; i < sizeof short_forms / sizeof *short_forms; i++) {
    if (short_forms[i][0] != (char)c) continue;
    put_char(e, '\\');
    put_char(e, short_forms[i][1]);
    return;
  }
  char text[8];
  put(e, text, (size_t)snprintf(text, sizeof text, "\\u%04x", c));
}

/* The length of what can be copied as it is; *bad tells that it ends before invalid UTF-8. */
static size_t plain_length(const unsigned char *s, size_t left, bool *bad) {
  size_t i = 0;
  while (i < left) {
    if (s[i] < ' ' || s[i] == '"' || s[i] == '\\') break;
    size_t n = s[i] < 0x80 ? 1 : utf8_length(s + i, left - i);
    *bad = n == 0;
    if (*bad) break;
    i += n;
  }
  return i;
}

static void put_string(encoder *e, int at) {
  size_t len, i = 0;
  const unsigned char *s = (const unsigned char *)lua_tolstring(e->L, at, &len);
  bool bad = false;
  put_char(e, '"');
  while (i < len) {
    size_t n = plain_length(s + i, len - i, &bad);
    put(e, (const char *)s + i, n);
    i += n;
    if (bad) {
      char what[64];
      snprintf(what, sizeof what, "invalid UTF-8 in a string, at byte %zu", i + 1);
      refuse(e, what);
    }
    if (i < len) put_escape(e, s[i++]);
  }
  put_char(e, '"');
}

static void put_integer(encoder *e, lua_Integer i) {
  char *at = reserve(e, 24);
  e->len += (size_t)snprintf(at, 24, LUA_INTEGER_FMT, i);
}

static void put_float(encoder *e, double x) {
  if (!isfinite(x))
    refuse(e, isnan(x) ? "nan is not a JSON number" : "inf is not a JSON number");
  char *at = reserve(e, 40);
  int n = 0;
  for (int digits = 15; digits <= 17; digits++) {
    n = snprintf(at, 32, "%.*g", digits, x);
    if (strtod(at, NULL) == x) break;
  }
  bool integral = true;
  for (int i = 0; i < n; i++) {
    if (strchr("0123456789+-", at[i])) continue;
    integral = false;
    if (at[i] != 'e') at[i] = '.'; /* whatever point the host's locale has */
  }
  if (integral) {
    memcpy(at + n, ".0", 2);
    n += 2;
  }
  e->len += (size_t)n;
}

static void put_break(encoder *e) {
  if (e->indent < 0) return;
  size_t n = 1 + (size_t)e->indent * (size_t)(e->in ? e->in->depth : 0);
  char *at = reserve(e, n);
  memset(at, ' ', n);
  *at = '\n';
  e->len += n;
}

static void enter(encoder *e, level *in, int table) {
  in->up = e->in;
  in->table = lua_topointer(e->L, table);
  in->depth = e->in ? e->in->depth + 1 : 1;
  for (const level *l = e->in; l; l = l->up)
    if (l->table == in->table) refuse(e, "a table that contains itself");
  bool low = in->depth > LPB_JSON_SHALLOW && lp_stack_low();
  if (in->depth > LPB_JSON_DEPTH || low) refuse(e, "nested too deep");
  e->in = in;
  put_char(e, in->key ? '{' : '[');
}

static void leave(encoder *e, char close, bool empty) {
  e->in = e->in->up;
  if (!empty) put_break(e);
  put_char(e, close);
}

/* Refuses a table whose keys are not just the places 1..n. */
static void check_list(encoder *e, int table, lua_Integer n) {
  lua_State *L = e->L;
  lua_Integer count = 0;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING)
      refuse(e, lua_pushfstring(L, "a list that also has the field '%s'", lua_tostring(L, -2)));
    if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1) refuse_key(e, -2);
    count++;
  }
  if (count != n) refuse(e, "a list with holes (json.null can fill them)");
}

static void put_list(encoder *e, int table, lua_Integer n) {
  level in = {.key = 0};
  check_list(e, table, n);
  enter(e, &in, table);
  for (in.i = 1; in.i <= n; in.i++) {
    if (in.i > 1) put_char(e, ',');
    put_break(e);
    lua_rawgeti(e->L, table, in.i);
    put_value(e, lua_gettop(e->L));
    lua_pop(e->L, 1);
  }
  leave(e, ']', n == 0);
}

/* The key of a field of the innermost table. */
static void check_key(encoder *e, int at) {
  if (lua_type(e->L, at) == LUA_TSTRING) return;
  e->in = e->in->up;
  refuse_key(e, at);
}

/* Writes one field, whose key stands at `key` and whose value stands above it. */
static void put_field(encoder *e, bool first, int key) {
  check_key(e, key);
  if (!first) put_char(e, ',');
  put_break(e);
  e->in->key = key;
  put_string(e, key);
  put(e, ": ", e->indent < 0 ? 1 : 2);
  put_value(e, key + 1);
}

static int compare_keys(const void *a, const void *b) {
  const lua_key *x = a, *y = b;
  int order = memcmp(x->s, y->s, x->len < y->len ? x->len : y->len);
  return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* Pushes a list of the keys, which keeps them: the next allocation may let a finalizer change
 * the table. Returns how many. */
static size_t push_keys(encoder *e, int table) {
  lua_State *L = e->L;
  lua_Integer n = 0;
  lua_newtable(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    check_key(e, -2);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -4, ++n);
  }
  return (size_t)n;
}

/* Pushes that list, and a userdata with the keys in order of their bytes. */
static const lua_key *push_sorted_keys(encoder *e, int table, size_t *n) {
  lua_State *L = e->L;
  *n = push_keys(e, table);
  lua_key *keys = lua_newuserdatauv(L, *n * sizeof *keys, 0);
  for (size_t i = 0; i < *n; i++) {
    lua_rawgeti(L, -2, (lua_Integer)i + 1);
    keys[i].s = lua_tolstring(L, -1, &keys[i].len);
    lua_pop(L, 1);
  }
  qsort(keys, *n, sizeof *keys, compare_keys);
  return keys;
}

static void put_many_sorted(encoder *e, int table) {
  size_t n;
  const lua_key *keys = push_sorted_keys(e, table, &n);
  int key = lua_gettop(e->L) + 1;
  for (size_t i = 0; i < n; i++) {
    lua_pushlstring(e->L, keys[i].s, keys[i].len);
    lua_pushvalue(e->L, -1);
    lua_rawget(e->L, table);
    put_field(e, i == 0, key);
    lua_pop(e->L, 2);
  }
  lua_pop(e->L, 2);
}

/* Puts the key at `at` into its place among the n keys whose stack indices `order` holds. */
static void insert_key(lua_State *L, uint8_t *order, int n, int base, int at) {
  lua_key new, other;
  new.s = lua_tolstring(L, at, &new.len);
  for (; n > 0; n--) {
    other.s = lua_tolstring(L, base + order[n - 1], &other.len);
    if (compare_keys(&other, &new) < 0) break;
    order[n] = order[n - 1];
  }
  order[n] = (uint8_t)(at - base);
}

/* Most objects have few fields: their keys and values lie on the stack while they are sorted,
 * so that nothing is allocated. Returns false when there are more, and has written nothing
 * then. */
static bool put_few_sorted(encoder *e, int table) {
  enum { FEW = 24 };
  lua_State *L = e->L;
  uint8_t order[FEW];
  int n = 0, base = lua_gettop(L);
  luaL_checkstack(L, 2 * FEW + 4, "json.encode");
  for (lua_pushnil(L); lua_next(L, table) && n < FEW; n++) {
    int at = lua_gettop(L) - 1;
    check_key(e, at);
    insert_key(L, order, n, base, at);
    lua_pushvalue(L, at);
  }
  bool all = lua_gettop(L) == base + 2 * n;
  for (int i = 0; all && i < n; i++) put_field(e, i == 0, base + order[i]);
  lua_settop(L, base);
  return all;
}

static void put_object(encoder *e, int table) {
  lua_State *L = e->L;
  level in = {.key = table};
  enter(e, &in, table);
  lua_pushnil(L);
  bool empty = !lua_next(L, table);
  if (e->sort && !empty) {
    lua_pop(L, 2);
    if (!put_few_sorted(e, table)) put_many_sorted(e, table);
  } else if (!empty) {
    bool first = true;
    do {
      put_field(e, first, lua_gettop(L) - 1);
      lua_pop(L, 1);
      first = false;
    } while (lua_next(L, table));
  }
  leave(e, '}', empty);
}

static bool is_marked(lua_State *L, int table) {
  if (!lua_getmetatable(L, table)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lpb_json_array);
  bool marked = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return marked;
}

static void put_table(encoder *e, int at) {
  luaL_checkstack(e->L, 8, "json.encode");
  lua_Integer n = (lua_Integer)lua_rawlen(e->L, at);
  if (n > 0 || is_marked(e->L, at)) {
    put_list(e, at, n);
  } else {
    put_object(e, at);
  }
}

static void put_null(encoder *e, int at) {
  if (lua_touserdata(e->L, at) != &lpb_json_null) refuse(e, "a userdata has no form in JSON");
  put(e, "null", 4);
}

/* Writes the value at the absolute stack index `at`; the stack is afterwards as before. */
static void put_value(encoder *e, int at) {
  lua_State *L = e->L;
  switch (lua_type(L, at)) {
  case LUA_TTABLE: put_table(e, at); break;
  case LUA_TSTRING: put_string(e, at); break;
  case LUA_TBOOLEAN: lua_toboolean(L, at) ? put(e, "true", 4) : put(e, "false", 5); break;
  case LUA_TNUMBER:
    if (lua_isinteger(L, at))
      put_integer(e, lua_tointeger(L, at));
    else
      put_float(e, lua_tonumber(L, at));
    break;
  case LUA_TLIGHTUSERDATA: put_null(e, at); break;
  case LUA_TNIL: refuse(e, "nil has no form in JSON (json.null has)"); break;
  case LUA_TFUNCTION:
    refuse(e, "a function has no form in JSON (was it to be called, as in res:text()?)");
    break;
  default: refuse(e, lua_pushfstring(L, "a %s has no form in JSON", luaL_typename(L, at)));
  }
}

/* json.encode(value, indent, sort_keys) -> text. `indent` is a number of columns or nil. */
static int json_encode(lua_State *L) {
  encoder e = {.L = L, .indent = (int)luaL_optinteger(L, 2, -1), .sort = lua_toboolean(L, 3)};
  luaL_checkany(L, 1);
  lua_settop(L, SLOT);
  e.data = e.first;
  e.cap = sizeof e.first;
  put_value(&e, 1);
  lua_pushlstring(L, e.data, e.len);
  return 1;
}

const luaL_Reg lpb_json_encode_functions[] = {{"encode", json_encode}, {NULL, NULL}};
