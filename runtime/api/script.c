/* api/script.c: texts and functions become tasks. Layer: api. */
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/ref.h"
#include "runtime/api/value.h"
#include "runtime/base/alloc.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/guard.h"
#include "runtime/loop/usage.h"

/* What is to become a task: a text, or the name of a function. */
typedef struct script {
  unsigned environment;
  const char *bytes;
  size_t len;
  const char *chunk;
  const char *function;
  const luapool_value *args;
  int n;
  luapool_task *ref;
  /* What compiling has come to. */
  int status;
} script;

static void push_chunk(lua_State *L, script *s) {
  const char *chunk = s->chunk ? s->chunk : "=script";
  s->status = lp_environment_load(L, s->environment, s->bytes, s->len, chunk);
  if (s->status != LUA_OK) lua_error(L);
}

/* Puts the field `name` of the value on top in its place: nil when that has none. */
static void step_into(lua_State *L, const char *name, size_t len) {
  if (lua_istable(L, -1) || lua_isuserdata(L, -1)) {
    lua_pushlstring(L, name, len);
    lua_gettable(L, -2);
  } else {
    lua_pushnil(L);
  }
  lua_replace(L, -2);
}

/* Pushes what "game.on_key" names, beginning in the table on top. */
static void push_path(lua_State *L, const char *path) {
  lua_pushvalue(L, -1);
  for (const char *end; path; path = end ? end + 1 : NULL) {
    end = strchr(path, '.');
    step_into(L, path, end ? (size_t)(end - path) : strlen(path));
  }
}

/* A field of a loaded module, whose own name may hold dots: the longest that is one. */
static void push_field_of_module(lua_State *L, unsigned environment, const char *path) {
  lp_environment_push(L, environment, LP_ENVIRONMENT_LOADED);
  for (const char *dot = strrchr(path, '.'); dot;) {
    lua_pushlstring(L, path, (size_t)(dot - path));
    if (lua_rawget(L, -2) != LUA_TNIL) {
      push_path(L, dot + 1);
      return;
    }
    lua_pop(L, 1);
    do dot--;
    while (dot > path && *dot != '.');
    if (dot <= path) break;
  }
  lua_pushnil(L);
}

static void push_function(lua_State *L, const script *s) {
  lp_environment_push(L, s->environment, LP_ENVIRONMENT_GLOBALS);
  push_path(L, s->function);
  if (lua_isnil(L, -1)) push_field_of_module(L, s->environment, s->function);
  if (!lp_usage_is_callable(L, -1)) luaL_error(L, "there is no function '%s'", s->function);
}

/* Protected. Argument: a script (light). */
static int spawn(lua_State *L) {
  script *s = lua_touserdata(L, 1);
  if (s->function)
    push_function(L, s);
  else
    push_chunk(L, s);
  lp_value_push(L, s->args, s->n);
  lp_ref_spawn(L, s->ref, s->n);
  return 0;
}

static int check(luapool *rt, const luapool_env *env, const script *s) {
  if (env && env->rt != rt)
    return lp_api_fail(rt, LUAPOOL_EARGUMENT, "the environment is one of another runtime");
  if (s->n < 0 || (s->n && !s->args) || (!s->bytes && !s->function))
    return lp_api_fail(rt, LUAPOOL_EARGUMENT, "an argument is missing");
  const luapool_value *strange = lp_value_strange(s->args, s->n);
  if (!strange) return LUAPOOL_OK;
  char text[80];
  snprintf(text, sizeof text, "a luapool_value of type %d cannot be passed",
           (int)strange->type);
  return lp_api_fail(rt, LUAPOOL_EARGUMENT, text);
}

/* Calls f(s) protected, in the environment, for as long as block_us allows. Returns LUA_OK, or
 * a status with the error on the stack. */
static int call_in(luapool *rt, unsigned environment, lua_CFunction f, void *s) {
  lua_State *L = rt->state.L;
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, s);
  unsigned outer = lp_environment_enter(&rt->state, environment);
  rt->state.inside++;
  int status = lp_guard_pcall(&rt->state, 1, 0);
  rt->state.inside--;
  lp_environment_enter(&rt->state, outer);
  return status;
}

static int start(luapool *rt, luapool_env *env, script *s, luapool_task **task) {
  lua_State *L = rt->state.L;
  lp_api_begin(rt);
  if (task) *task = NULL;
  if (check(rt, env, s) < 0) return rt->code;
  s->environment = lp_api_environment(rt, env);
  if (task && !(s->ref = lp_ref_new(rt)))
    return lp_api_fail(rt, LUAPOOL_EMEMORY, "not enough memory");
  int status = call_in(rt, s->environment, spawn, s);
  if (status != LUA_OK) {
    lp_ref_free(s->ref);
    return lp_api_fail_lua(rt, L, s->status != LUA_OK ? s->status : status);
  }
  if (task) *task = s->ref;
  return LUAPOOL_OK;
}

int luapool_load(luapool *rt, luapool_env *env, const char *bytes, size_t len,
                 const char *chunk, const luapool_value *args, int n, luapool_task **task) {
  script s = {.bytes = bytes, .len = len, .chunk = chunk, .args = args, .n = n};
  return start(rt, env, &s, task);
}

int luapool_start(luapool *rt, luapool_env *env, const char *function,
                  const luapool_value *args, int n, luapool_task **task) {
  script s = {.function = function, .args = args, .n = n};
  return start(rt, env, &s, task);
}

/* Reads all of a file. Returns its bytes, which the caller frees, or NULL with errno. */
static char *read_all(FILE *f, size_t *len) {
  char *bytes = NULL;
  size_t size = 0;
  *len = 0;
  do {
    size = size ? size * 2 : 16 << 10;
    char *larger = lp_alloc_resize(bytes, size);
    if (!larger) {
      lp_alloc_free(bytes);
      errno = ENOMEM;
      return NULL;
    }
    bytes = larger;
    *len += fread(bytes + *len, 1, size - *len, f);
  } while (*len == size);
  if (!ferror(f)) return bytes;
  lp_alloc_free(bytes);
  return NULL;
}

/* How much of a file is no Lua: a mark of UTF-8, and a line that begins with '#' but for its
 * end, so that lines keep their numbers. */
static size_t first_line(const char *bytes, size_t len) {
  size_t at = len >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
  if (at < len && bytes[at] == '#')
    while (at < len && bytes[at] != '\n') at++;
  return at;
}

static int fail_file(luapool *rt, const char *path) {
  char text[512];
  snprintf(text, sizeof text, "cannot read %s: %s", path, strerror(errno));
  return lp_api_fail(rt, LUAPOOL_ESYSTEM, text);
}

int luapool_load_file(luapool *rt, luapool_env *env, const char *path,
                      const luapool_value *args, int n, luapool_task **task) {
  lp_api_begin(rt);
  if (task) *task = NULL;
  if (!path) return lp_api_fail(rt, LUAPOOL_EARGUMENT, "the path is missing");
  FILE *f = fopen(path, "re");
  if (!f) return fail_file(rt, path);
  size_t len;
  char *bytes = read_all(f, &len);
  int rc = bytes ? 0 : fail_file(rt, path);
  fclose(f);
  if (rc < 0) return rc;
  char chunk[512];
  snprintf(chunk, sizeof chunk, "@%s", path);
  size_t skipped = first_line(bytes, len);
  rc = luapool_load(rt, env, bytes + skipped, len - skipped, chunk, args, n, task);
  lp_alloc_free(bytes);
  return rc;
}

/* ---- reload ---- */

typedef struct reload {
  unsigned environment;
  const char *module, *bytes;
  size_t len;
  const char *chunk;
  /* What compiling has come to. */
  int status;
} reload;

/* Protected. Argument: a reload (light). Nothing is put in place before all has gone well. */
static int run_reload(lua_State *L) {
  reload *r = lua_touserdata(L, 1);
  enum { NEW = 3, LOADED };
  const char *chunk = lua_pushfstring(L, "=%s", r->module);
  r->status =
      lp_environment_load(L, r->environment, r->bytes, r->len, r->chunk ? r->chunk : chunk);
  if (r->status != LUA_OK) return lua_error(L);
  lua_pushstring(L, r->module);
  lua_call(L, 1, 1);
  if (lua_isnil(L, NEW)) {
    lua_pushboolean(L, 1); /* as require does */
    lua_replace(L, NEW);
  }
  lp_environment_push(L, r->environment, LP_ENVIRONMENT_LOADED);
  if (lua_istable(L, NEW) && lua_getfield(L, NEW, "__reload") != LUA_TNIL) {
    lua_getfield(L, LOADED, r->module);
    lua_call(L, 1, 0);
  }
  lua_settop(L, LOADED);
  lua_pushvalue(L, NEW);
  lua_setfield(L, LOADED, r->module);
  return 0;
}

int luapool_reload(luapool *rt, luapool_env *env, const char *module, const char *bytes,
                   size_t len, const char *chunk) {
  lua_State *L = rt->state.L;
  lp_api_begin(rt);
  if (!module || !bytes)
    return lp_api_fail(rt, LUAPOOL_EARGUMENT, "the name of the module or its text is missing");
  if (env && env->rt != rt)
    return lp_api_fail(rt, LUAPOOL_EARGUMENT, "the environment is one of another runtime");
  reload r = {.environment = lp_api_environment(rt, env),
              .module = module,
              .bytes = bytes,
              .len = len,
              .chunk = chunk};
  int status = call_in(rt, r.environment, run_reload, &r);
  if (status == LUA_OK) return LUAPOOL_OK;
  return lp_api_fail_lua(rt, L, r.status != LUA_OK ? r.status : status);
}
