/* bindings/csv/open.c: luapool.csv.core: one record of CSV (RFC 4180) to a row, and values to a
 * record. scripts/luapool/csv.lua finds out where a record ends. Nothing waits. Layer:
 * bindings; any process. */
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "bindings/bindings.h"

/* ---- reading ---- */

typedef struct record {
  const char *at, *end;
  char separator;
} record;

/* core.open(line, separator, inside) -> whether a quoted field is still open at the end of the
 * line. `inside` tells the same of its beginning. */
static int csv_open(lua_State *L) {
  size_t len;
  const char *at = luaL_checklstring(L, 1, &len), *end = at + len;
  char separator = *luaL_checkstring(L, 2);
  bool inside = lua_toboolean(L, 3);
  while (at && at < end) {
    if (inside) {
      at = memchr(at, '"', (size_t)(end - at));
      if (!at) break;
      at++;
      inside = at < end && *at == '"';
      if (inside) {
        at++; /* a doubled quote */
        continue;
      }
    } else if (*at == '"') {
      inside = true;
      at++;
      continue;
    }
    at = memchr(at, separator, (size_t)(end - at));
    if (at) at++;
  }
  lua_pushboolean(L, inside);
  return 1;
}

static const char *find(const char *at, const char *end, char c) {
  const char *found = memchr(at, c, (size_t)(end - at));
  return found ? found : end;
}

/* Pushes a field that begins with a quote. What stands between its second quote and the
 * separator belongs to it. */
static void push_quoted(lua_State *L, record *r) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  const char *at = r->at + 1;
  for (;;) {
    const char *quote = find(at, r->end, '"');
    luaL_addlstring(&b, at, (size_t)(quote - at));
    at = quote < r->end ? quote + 1 : r->end;
    if (at == r->end || *at != '"') break;
    luaL_addchar(&b, '"');
    at++;
  }
  r->at = find(at, r->end, r->separator);
  luaL_addlstring(&b, at, (size_t)(r->at - at));
  luaL_pushresult(&b);
}

static void push_field(lua_State *L, record *r) {
  if (r->at < r->end && *r->at == '"') {
    push_quoted(L, r);
    return;
  }
  const char *end = find(r->at, r->end, r->separator);
  lua_pushlstring(L, r->at, (size_t)(end - r->at));
  r->at = end;
}

/* Sets the field at the top: by the name of its column, or by its place. */
static void set_field(lua_State *L, int row, int names, lua_Integer place) {
  if (names && lua_rawgeti(L, names, place) == LUA_TSTRING) {
    lua_insert(L, -2);
    lua_rawset(L, row);
    return;
  }
  if (names) lua_pop(L, 1);
  lua_rawseti(L, row, place);
}

/* core.row(text, separator [, names]) -> the fields of a record: a list, or a table by the
 * names; fields without a name stand at their places. A carriage return at the end is none of
 * the record's. */
static int csv_row(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  record r = {.at = text, .end = text + len, .separator = *luaL_checkstring(L, 2)};
  int names = lua_istable(L, 3) ? 3 : 0;
  if (len > 0 && text[len - 1] == '\r') r.end--;
  lua_settop(L, 3);
  lua_createtable(L, names ? 0 : 8, names ? (int)lua_rawlen(L, 3) : 0);
  for (lua_Integer place = 1;; place++) {
    push_field(L, &r);
    set_field(L, 4, names, place);
    if (r.at == r.end) break;
    r.at++;
  }
  return 1;
}

/* ---- writing ---- */

static bool needs_quotes(const char *text, size_t len, char separator) {
  for (size_t i = 0; i < len; i++)
    if (text[i] == separator || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
      return true;
  return false;
}

static void add_field(luaL_Buffer *b, const char *text, size_t len, char separator) {
  if (!needs_quotes(text, len, separator)) {
    luaL_addlstring(b, text, len);
    return;
  }
  luaL_addchar(b, '"');
  for (size_t i = 0; i < len; i++) {
    if (text[i] == '"') luaL_addchar(b, '"');
    luaL_addchar(b, text[i]);
  }
  luaL_addchar(b, '"');
}

/* core.line(fields, n, separator) -> the record of n strings, without a line end. One empty
 * field is quoted: an empty line is no record. */
static int csv_line(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer n = luaL_checkinteger(L, 2);
  char separator = *luaL_checkstring(L, 3);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (lua_Integer i = 1; i <= n; i++) {
    size_t len;
    if (i > 1) luaL_addchar(&b, separator);
    lua_rawgeti(L, 1, i);
    const char *text = luaL_checklstring(L, -1, &len);
    lua_pop(L, 1); /* the list keeps it */
    if (n == 1 && len == 0) luaL_addstring(&b, "\"\"");
    add_field(&b, text, len, separator);
  }
  luaL_pushresult(&b);
  return 1;
}

int luaopen_luapool_csv_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"open", csv_open}, {"row", csv_row}, {"line", csv_line}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
