/* wire/path.c: the error that says what cannot travel, and the way to it.
 *
 * It runs only when encoding fails, so it may take its time: it looks for the name of a
 * function where the function was reached, among the local variables of the running functions,
 * and in the globals. Layer: wire. */
#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/loop/raise.h"
#include "runtime/loop/scripts.h"
#include "runtime/wire/encode.h"

enum { TEXT_MAX = 900, HEAD_STEPS = 6, TAIL_STEPS = 2 };

typedef struct text {
  size_t len;
  char s[TEXT_MAX];
} text;

static void advance(text *t, int n) {
  size_t room = TEXT_MAX - 1 - t->len;
  t->len += (size_t)n < room ? (size_t)n : room;
}

/* Appends to a text as printf does. */
#define add(t, ...) advance(t, snprintf((t)->s + (t)->len, TEXT_MAX - (t)->len, __VA_ARGS__))

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

/* Adds the steps that lead through tables from `top` (not added) down to `s`, but few of many:
 * `below` follow it. Returns how many there are. */
static int add_fields(lua_State *L, text *t, const lp_step *s, const lp_step *top, int below) {
  if (s == top) return 0;
  int above = add_fields(L, t, s->up, top, below + 1);
  if (above < HEAD_STEPS || below < TAIL_STEPS) {
    if (s->kind == LP_STEP_FIELD)
      add_key(L, t, s->index);
    else
      add(t, s->kind == LP_STEP_META ? ".<metatable>" : ".<key>");
  } else if (above == HEAD_STEPS) {
    add(t, "...");
  }
  return above + 1;
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

/* The name by which the function of this step was reached, or that it has elsewhere, or NULL.
 */
static const char *function_name(lua_State *L, const lp_step *s, const char *source) {
  const lp_step *by = s->up;
  const char *name = NULL;
  if (by->kind == LP_STEP_UPVALUE) {
    name = lua_getupvalue(L, by->index, by->upvalue);
    lua_pop(L, 1);
  } else if (by->kind == LP_STEP_FIELD && lua_type(L, by->index) == LUA_TSTRING) {
    name = lua_tostring(L, by->index);
  }
  if (name) return name;
  lua_pushvalue(L, s->index);
  name = variable_name(L, source);
  if (!name) name = global_name(L);
  lua_pop(L, 1);
  return name;
}

/* The name of the upvalue of this step, or NULL when the bytecode itself is being written. */
static const char *upvalue_name(lua_State *L, const lp_step *s) {
  const char *name = lua_getupvalue(L, s->index, s->upvalue);
  if (name) lua_pop(L, 1);
  return name;
}

/* "upvalue 'log' of function 'fetch' (job.lua:12)" */
static void add_upvalue(lua_State *L, text *t, const lp_step *s) {
  lua_Debug ar;
  lua_pushvalue(L, s->index);
  lua_getinfo(L, ">S", &ar);
  const char *name = function_name(L, s, ar.source), *upvalue = upvalue_name(L, s);
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

/* The outermost upvalue on the way to this step, or the step itself. */
static const lp_step *outermost(const lp_step *s) {
  const lp_step *found = s;
  for (; s; s = s->up) {
    if (s->kind == LP_STEP_UPVALUE) found = s;
  }
  return found;
}

/* Whether the function of this step is luapool's: then it tells the user nothing. */
static bool is_ours(lua_State *L, const lp_step *s) {
  lua_Debug ar;
  lua_pushvalue(L, s->index);
  return lua_getinfo(L, ">S", &ar) && lp_script_flags(&ar) & LP_SCRIPT_OURS;
}

static void add_way(const lp_encoder *e, text *t) {
  lua_State *L = e->L;
  const lp_step *s = e->path;
  while (s->kind != LP_STEP_UPVALUE && s->kind != LP_STEP_ROOT) s = s->up;
  if (s->kind == LP_STEP_ROOT) {
    add_root(e, t, s);
    add_fields(L, t, e->path, s, 0);
    return;
  }
  add_upvalue(L, t, s);
  if (s != e->path) {
    add(t, ", at %s", upvalue_name(L, s));
    add_fields(L, t, e->path, s, 0);
  }
  if (outermost(s) != s && !is_ours(L, outermost(s))) {
    add(t, " (reached from ");
    add_upvalue(L, t, outermost(s));
    add(t, ")");
  }
}

void lp_path_raise(lp_encoder *e, const char *why) {
  text t = {0};
  luaL_checkstack(e->L, LUA_MINSTACK, NULL);
  add_way(e, &t);
  lp_raise(e->L, "cannot_send", "cannot send %s: %s", t.s, why);
}

static bool is_of_function(const lp_step *s) {
  for (; s; s = s->up)
    if (s->kind == LP_STEP_UPVALUE) return true;
  return false;
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
    if (is_of_function(e->path))
      what = lua_pushfstring(
          L, "%s; make it in the worker, once for all of its tasks in 'init'", what);
  }
  lp_path_raise(e, what);
}
