/* wire/path.c: the error that says what cannot travel, and the way to it.
 *
 * Runs only when encoding fails, so it may search: a function's name is looked for where the
 * function was reached, among the local variables of the running functions, and in the globals.
 * Layer: wire. */
#include <ctype.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/loop/raise.h"
#include "runtime/wire/encode.h"

enum { TEXT_MAX = 900, HEAD_STEPS = 6, TAIL_STEPS = 2 };

typedef struct text {
  size_t len;
  char s[TEXT_MAX];
} text;

/* The steps from the root on. */
typedef struct way {
  const lp_step *steps[LP_WIRE_DEPTH + 2];
  int n;
} way;

__attribute__((format(printf, 2, 3))) static void add(text *t, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(t->s + t->len, TEXT_MAX - t->len, format, args);
  va_end(args);
  size_t room = TEXT_MAX - 1 - t->len;
  t->len += (size_t)n < room ? (size_t)n : room;
}

static void collect(const lp_step *innermost, way *w) {
  w->n = 0;
  for (const lp_step *s = innermost; s; s = s->up) w->n++;
  int i = w->n;
  for (const lp_step *s = innermost; s; s = s->up) w->steps[--i] = s;
}

static bool is_name(const char *s, size_t len) {
  if (len == 0 || len > 60 || isdigit((unsigned char)*s)) return false;
  for (size_t i = 0; i < len; i++) {
    if (!isalnum((unsigned char)s[i]) && s[i] != '_') return false;
  }
  return true;
}

static void add_key(lua_State *L, text *t, int index) {
  size_t len;
  switch (lua_type(L, index)) {
  case LUA_TSTRING: {
    const char *s = lua_tolstring(L, index, &len);
    if (is_name(s, len))
      add(t, ".%s", s);
    else
      add(t, "[\"%.40s%s\"]", s, len > 40 ? "..." : "");
    break;
  }
  case LUA_TNUMBER:
    if (lua_isinteger(L, index))
      add(t, "[%lld]", (long long)lua_tointeger(L, index));
    else
      add(t, "[%.14g]", lua_tonumber(L, index));
    break;
  case LUA_TBOOLEAN: add(t, "[%s]", lua_toboolean(L, index) ? "true" : "false"); break;
  default: add(t, "[%s]", luaL_typename(L, index));
  }
}

/* Adds the steps from..w->n that lead through tables. */
static void add_fields(lua_State *L, text *t, const way *w, int from) {
  for (int i = from; i < w->n; i++) {
    if (i == from + HEAD_STEPS && w->n - i > TAIL_STEPS) {
      add(t, "...");
      i = w->n - TAIL_STEPS;
    }
    const lp_step *s = w->steps[i];
    if (s->kind == LP_STEP_FIELD)
      add_key(L, t, s->index);
    else
      add(t, s->kind == LP_STEP_META ? ".<metatable>" : ".<key>");
  }
}

/* The name of the local variable of the running function that holds the value on top, or NULL.
 */
static const char *local_name(lua_State *L, lua_Debug *frame) {
  const char *name;
  for (int i = 1; (name = lua_getlocal(L, frame, i)); i++) {
    bool same = lua_rawequal(L, -1, -2) && *name != '(';
    lua_pop(L, 1);
    if (same) return name;
  }
  return NULL;
}

/* How the code that made the function on top calls it: of the running functions in its file,
 * the outermost that has it in a variable. */
static const char *variable_name(lua_State *L, const char *source) {
  const char *found = NULL;
  lua_Debug frame;
  for (int level = 0; lua_getstack(L, level, &frame); level++) {
    lua_getinfo(L, "S", &frame);
    if (strcmp(frame.source, source) != 0) continue;
    const char *name = local_name(L, &frame);
    if (name) found = name;
  }
  return found;
}

static const char *global_name(lua_State *L) {
  int function = lua_gettop(L);
  const char *found = NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
  for (lua_pushnil(L); !found && lua_next(L, -2); lua_settop(L, function + 2)) {
    if (lua_type(L, -2) == LUA_TSTRING && lua_rawequal(L, -1, function)) {
      found = lua_tostring(L, -2);
    }
  }
  lua_settop(L, function);
  return found;
}

/* The name by which the function of step i was reached, or that it has elsewhere; NULL: none.
 */
static const char *function_name(lua_State *L, const way *w, int i, const char *source) {
  const lp_step *by = w->steps[i - 1];
  const char *name = NULL;
  if (by->kind == LP_STEP_UPVALUE) {
    name = lua_getupvalue(L, by->index, by->upvalue);
    lua_pop(L, 1);
  } else if (by->kind == LP_STEP_FIELD && lua_type(L, by->index) == LUA_TSTRING) {
    name = lua_tostring(L, by->index);
  }
  if (name) return name;
  lua_pushvalue(L, w->steps[i]->index);
  name = variable_name(L, source);
  if (!name) name = global_name(L);
  lua_pop(L, 1);
  return name;
}

/* "upvalue 'log' of function 'fetch' (job.lua:12)" */
static void add_upvalue(lua_State *L, text *t, const way *w, int i) {
  const lp_step *s = w->steps[i];
  lua_Debug ar;
  lua_pushvalue(L, s->index);
  lua_getinfo(L, ">S", &ar);
  const char *name = function_name(L, w, i, ar.source);
  const char *upvalue = lua_getupvalue(L, s->index, s->upvalue);
  lua_pop(L, upvalue ? 1 : 0);
  if (upvalue) add(t, "upvalue '%s' of ", upvalue);
  if (name)
    add(t, "function '%s' (%s:%d)", name, ar.short_src, ar.linedefined);
  else
    add(t, "function (%s:%d)", ar.short_src, ar.linedefined);
}

static void add_root(const lp_encoder *e, text *t, const lp_step *root) {
  add(t, "%s", e->w->noun ? e->w->noun : "value");
  if (e->n > 1) add(t, " #%d", root->index - e->first + 1);
}

static void add_way(const lp_encoder *e, text *t, const way *w) {
  lua_State *L = e->L;
  int inner = w->n - 1, outer = 0;
  while (inner > 0 && w->steps[inner]->kind != LP_STEP_UPVALUE) inner--;
  while (outer < inner && w->steps[outer]->kind != LP_STEP_UPVALUE) outer++;
  if (inner == 0) {
    add_root(e, t, w->steps[0]);
    add_fields(L, t, w, 1);
    return;
  }
  add_upvalue(L, t, w, inner);
  if (inner + 1 < w->n) {
    const lp_step *s = w->steps[inner];
    add(t, ", at %s", lua_getupvalue(L, s->index, s->upvalue));
    lua_pop(L, 1);
    add_fields(L, t, w, inner + 1);
  }
  if (outer < inner) {
    add(t, " (reached from ");
    add_upvalue(L, t, w, outer);
    add(t, ")");
  }
}

void lp_path_raise(lp_encoder *e, const char *why) {
  way w;
  text t = {0};
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  collect(e->path, &w);
  add_way(e, &t, &w);
  lp_raise(e->L, "cannot_send", "cannot send %s: %s", t.s, why);
}

void lp_path_refuse(lp_encoder *e, int index) {
  lua_State *L = e->L;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const char *what = luaL_typename(L, index);
  int type = lua_type(L, index);
  if (type == LUA_TFUNCTION) what = "a C function that no module names";
  if (type == LUA_TLIGHTUSERDATA) what = "light userdata";
  if (type == LUA_TUSERDATA && luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
    const char *name = lua_tostring(L, -1);
    bool file = strcmp(name, LUA_FILEHANDLE) == 0;
    what = lua_pushfstring(L, "%s (%s)", file ? "file" : "userdata", name);
  }
  lp_path_raise(e, what);
}
