/* bindings/sqlite/value.c: values on their way between Lua and a statement, as bytes: a type
 * and what belongs to it; a parameter with a name has that in front. Layer: bindings. */
#include "bindings/sqlite/value.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bindings/json/json.h"
#include "runtime/base/error.h"
#include "runtime/loop/usage.h"

const char lpb_sqlite_value_blob = 'b';

/* A value in a buffer. `text` points into the buffer. */
typedef struct value {
  /* One of SQLite's five types, or OTHER: a field of a table that no column can hold. */
  int type;
  union {
    sqlite3_int64 integer;
    double real;
    size_t len;
  };
  const char *text;
} value;

enum { OTHER = 0 };

static int append_value(lp_buf *out, const value *v) {
  bool has_text = v->type == SQLITE_TEXT || v->type == SQLITE_BLOB;
  char head[9] = {(char)v->type};
  memcpy(head + 1, &v->integer, 8);
  int rc = lp_buf_append(out, head, sizeof head);
  return rc == 0 && has_text ? lp_buf_append(out, v->text, v->len) : rc;
}

/* Reads the value at `*at` and moves behind it. */
static value read_value(const lp_buf *from, size_t *at) {
  value v = {.type = from->data[*at]};
  memcpy(&v.integer, from->data + *at + 1, 8);
  *at += 9;
  v.text = from->data + *at;
  if (v.type == SQLITE_TEXT || v.type == SQLITE_BLOB) *at += v.len;
  return v;
}

/* ---- with Lua ---- */

static bool is_blob(lua_State *L, int at) {
  if (lua_type(L, at) != LUA_TTABLE || !lua_getmetatable(L, at)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &lpb_sqlite_value_blob);
  bool is = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is;
}

/* The text of the string at an index; it is not converted, so the string stays as it is. */
static value text_at(lua_State *L, int at, int type) {
  value v = {.type = type};
  v.text = lua_tolstring(L, at, &v.len);
  return v;
}

static value blob_at(lua_State *L, int at) {
  value v = {.type = OTHER};
  if (lua_rawgeti(L, at, 1) == LUA_TSTRING) v = text_at(L, -1, SQLITE_BLOB);
  lua_pop(L, 1); /* the table keeps it */
  return v;
}

static value number_at(lua_State *L, int at) {
  if (lua_isinteger(L, at))
    return (value){.type = SQLITE_INTEGER, .integer = lua_tointeger(L, at)};
  double x = lua_tonumber(L, at);
  return (value){.type = isnan(x) ? OTHER : SQLITE_FLOAT, .real = x};
}

/* The Lua value at an index; its text is the one that Lua keeps. */
static value value_at(lua_State *L, int at) {
  switch (lua_type(L, at)) {
  case LUA_TNONE:
  case LUA_TNIL: return (value){.type = SQLITE_NULL};
  case LUA_TNUMBER: return number_at(L, at);
  case LUA_TBOOLEAN: return (value){.type = SQLITE_INTEGER, .integer = lua_toboolean(L, at)};
  case LUA_TSTRING: return text_at(L, at, SQLITE_TEXT);
  case LUA_TLIGHTUSERDATA:
    return (value){.type = lua_touserdata(L, at) == &lpb_json_null ? SQLITE_NULL : OTHER};
  case LUA_TTABLE: return is_blob(L, at) ? blob_at(L, at) : (value){.type = OTHER};
  default: return (value){.type = OTHER};
  }
}

bool lpb_sqlite_value_is_named(lua_State *L, int first) {
  return lua_gettop(L) == first && lua_istable(L, first) && !is_blob(L, first);
}

static const char EXPECTED[] =
    "a string, a number, a boolean, sqlite.null or an sqlite.blob, or one table for names";

void lpb_sqlite_value_check(lua_State *L, int first, const char *function) {
  luaL_checkstack(L, 8, function);
  if (lpb_sqlite_value_is_named(L, first)) {
    if (lua_rawlen(L, first) > 0)
      lp_usage_argument(L, first, function, "parameters of '?' one by one, not in a list");
    return;
  }
  for (int at = first; at <= lua_gettop(L); at++)
    if (value_at(L, at).type == OTHER) lp_usage_argument(L, at, function, EXPECTED);
}

static int write_named(lua_State *L, int table, lpb_sqlite_value_params *params) {
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    value name = text_at(L, -2, SQLITE_TEXT), v = value_at(L, lua_gettop(L));
    int rc = append_value(&params->data, &name);
    if (rc == 0) rc = append_value(&params->data, &v);
    if (rc < 0) {
      lua_pop(L, 2);
      return rc;
    }
    params->count++;
  }
  return 0;
}

int lpb_sqlite_value_write(lua_State *L, int first, lpb_sqlite_value_params *params) {
  params->named = lpb_sqlite_value_is_named(L, first);
  if (params->named) return write_named(L, first, params);
  int rc = 0;
  for (int at = first; rc == 0 && at <= lua_gettop(L); at++, params->count++) {
    value v = value_at(L, at);
    rc = append_value(&params->data, &v);
  }
  return rc;
}

void lpb_sqlite_value_push_names(lua_State *L, const lp_buf *names) {
  const char *name = names->data, *end = name + names->len;
  lua_newtable(L);
  for (lua_Integer i = 1; name < end; i++, name += strlen(name) + 1) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, i);
  }
}

static void push_value(lua_State *L, const value *v) {
  if (v->type == SQLITE_INTEGER)
    lua_pushinteger(L, v->integer);
  else if (v->type == SQLITE_FLOAT)
    lua_pushnumber(L, v->real);
  else
    lua_pushlstring(L, v->text, v->len);
}

void lpb_sqlite_value_push_row(lua_State *L, const lp_buf *rows, size_t *at, int names) {
  int columns = (int)lua_rawlen(L, names);
  lua_createtable(L, 0, columns);
  for (int i = 1; i <= columns; i++) {
    value v = read_value(rows, at);
    if (v.type == SQLITE_NULL) continue;
    lua_rawgeti(L, names, i);
    push_value(L, &v);
    lua_rawset(L, -3);
  }
}

/* ---- with statements ---- */

static int bind(sqlite3_stmt *stmt, int i, const value *v) {
  switch (v->type) {
  case SQLITE_INTEGER: return sqlite3_bind_int64(stmt, i, v->integer);
  case SQLITE_FLOAT: return sqlite3_bind_double(stmt, i, v->real);
  case SQLITE_TEXT:
    return sqlite3_bind_text64(stmt, i, v->text, v->len, SQLITE_STATIC, SQLITE_UTF8);
  case SQLITE_BLOB: return sqlite3_bind_blob64(stmt, i, v->text, v->len, SQLITE_STATIC);
  default: return sqlite3_bind_null(stmt, i);
  }
}

/* Finds the value of a name, which has no zero byte. */
static bool find(const lpb_sqlite_value_params *params, const char *name, value *v) {
  size_t at = 0, len = strlen(name);
  for (int i = 0; i < params->count; i++) {
    value key = read_value(&params->data, &at);
    *v = read_value(&params->data, &at);
    if (key.len == len && memcmp(key.text, name, len) == 0) return true;
  }
  return false;
}

static int bind_named(sqlite3_stmt *stmt, const lpb_sqlite_value_params *params, char *why,
                      size_t size) {
  int n = sqlite3_bind_parameter_count(stmt), rc = SQLITE_OK;
  for (int i = 1; rc == SQLITE_OK && i <= n; i++) {
    value v;
    const char *name = sqlite3_bind_parameter_name(stmt, i);
    rc = SQLITE_MISUSE;
    if (!name || *name == '?')
      snprintf(why, size, "a value for '%s' stands behind the SQL, not in a table",
               name ? name : "?");
    else if (!find(params, name + 1, &v))
      snprintf(why, size, "no value for '%s' (sqlite.null stands for NULL)", name);
    else if (v.type == OTHER)
      snprintf(why, size, "the value for '%s' has no form in SQLite", name);
    else
      rc = bind(stmt, i, &v);
  }
  return rc;
}

int lpb_sqlite_value_bind(sqlite3_stmt *stmt, const lpb_sqlite_value_params *params, char *why,
                          size_t size) {
  int n = sqlite3_bind_parameter_count(stmt);
  if (params->named) return bind_named(stmt, params, why, size);
  const char *name = n > 0 ? sqlite3_bind_parameter_name(stmt, 1) : NULL;
  if (name && *name != '?') {
    snprintf(why, size, "the value for '%s' stands in a table: { %s = … }", name, name + 1);
    return SQLITE_MISUSE;
  }
  size_t at = 0;
  return lpb_sqlite_value_bind_from(stmt, &params->data, &at, params->count, why, size);
}

int lpb_sqlite_value_bind_from(sqlite3_stmt *stmt, const lp_buf *data, size_t *at, int count,
                               char *why, size_t size) {
  int n = sqlite3_bind_parameter_count(stmt), rc = SQLITE_OK;
  if (count != n) {
    snprintf(why, size, "the SQL has %d parameters, %d were given", n, count);
    return SQLITE_MISUSE;
  }
  for (int i = 1; rc == SQLITE_OK && i <= n; i++) {
    value v = read_value(data, at);
    rc = bind(stmt, i, &v);
  }
  return rc;
}

void lpb_sqlite_value_skip(const lp_buf *data, size_t *at, int count) {
  for (int i = 0; i < count; i++) read_value(data, at);
}

int lpb_sqlite_value_add_names(sqlite3_stmt *stmt, lp_buf *names) {
  int n = sqlite3_column_count(stmt);
  for (int i = 0; i < n; i++) {
    const char *name = sqlite3_column_name(stmt, i);
    if (!name || lp_buf_append(names, name, strlen(name) + 1) < 0) return LP_EMEMORY;
  }
  return 0;
}

static int add_column(sqlite3_stmt *stmt, int i, lp_buf *rows) {
  value v = {.type = sqlite3_column_type(stmt, i)};
  if (v.type == SQLITE_INTEGER) {
    v.integer = sqlite3_column_int64(stmt, i);
  } else if (v.type == SQLITE_FLOAT) {
    v.real = sqlite3_column_double(stmt, i);
  } else if (v.type != SQLITE_NULL) {
    bool text = v.type == SQLITE_TEXT;
    v.text = text ? (const char *)sqlite3_column_text(stmt, i) : sqlite3_column_blob(stmt, i);
    v.len = (size_t)sqlite3_column_bytes(stmt, i);
    if (!v.text && v.len > 0) return LP_EMEMORY;
    if (!v.text) v.text = "";
  }
  return append_value(rows, &v);
}

int lpb_sqlite_value_add_row(sqlite3_stmt *stmt, lp_buf *rows) {
  int n = sqlite3_column_count(stmt), rc = 0;
  for (int i = 0; rc == 0 && i < n; i++) rc = add_column(stmt, i, rows);
  return rc;
}
