/* sandbox/library.c: the libraries of environments. They are made of the copies that luapool's
 * own scripts have, so no script has overwritten a function of them. What reaches outside of
 * the environment asks first, each time, so one frozen library serves environments with
 * different bits. Layer: sandbox. */
#include "runtime/sandbox/library.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/counted/counted.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/env.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/frozen.h"
#include "runtime/loop/raise.h"

static const char key; /* in the registry: the frozen libraries by name */

/* ---- functions that ask ---- */

/* Upvalues: the function, the bits that it needs, its name. */
static int asking(lua_State *L) {
  lp_allow(L, (unsigned)lua_tointeger(L, lua_upvalueindex(2)),
           lua_tostring(L, lua_upvalueindex(3)));
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int call_standard(lua_State *L) {
  return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int os_remove(lua_State *L) {
  lp_allow_entry(L, LP_ALLOW_WRITE, luaL_checkstring(L, 1));
  return call_standard(L);
}

static int os_rename(lua_State *L) {
  lp_allow_entry(L, LP_ALLOW_WRITE, luaL_checkstring(L, 1));
  lp_allow_entry(L, LP_ALLOW_WRITE, luaL_checkstring(L, 2));
  return call_standard(L);
}

static int io_open(lua_State *L) {
  const char *path = luaL_checkstring(L, 1), *mode = luaL_optstring(L, 2, "r");
  unsigned bits = *mode == 'r' ? LP_ALLOW_READ : LP_ALLOW_WRITE;
  if (strchr(mode, '+')) bits |= LP_ALLOW_READ | LP_ALLOW_WRITE;
  lp_allow_path(L, bits, path);
  return call_standard(L);
}

static int io_lines(lua_State *L) {
  if (lua_isnoneornil(L, 1))
    lp_allow(L, LP_ALLOW_PROCESS, "io.lines");
  else
    lp_allow_path(L, LP_ALLOW_READ, luaL_checkstring(L, 1));
  return call_standard(L);
}

/* The standard output belongs to the process; a file is the script's. */
static int io_close(lua_State *L) {
  if (lua_isnone(L, 1)) lp_allow(L, LP_ALLOW_PROCESS, "io.close");
  return call_standard(L);
}

static const struct {
  const char *library, *name;
  unsigned bits;         /* for `asking` */
  lua_CFunction instead; /* of it */
} guarded[] = {
    {"os", "exit", LP_ALLOW_PROCESS, NULL},
    {"os", "getenv", LP_ALLOW_PROCESS, NULL},
    {"os", "setlocale", LP_ALLOW_PROCESS, NULL},
    {"os", "tmpname", LP_ALLOW_WRITE, NULL},
    {"os", "remove", 0, os_remove},
    {"os", "rename", 0, os_rename},
    {"io", "open", 0, io_open},
    {"io", "lines", 0, io_lines},
    {"io", "close", 0, io_close},
    {"io", "tmpfile", LP_ALLOW_WRITE, NULL},
    {"io", "read", LP_ALLOW_PROCESS, NULL},
    {"io", "input", LP_ALLOW_PROCESS, NULL},
    {"io", "output", LP_ALLOW_PROCESS, NULL},
    {"string", "dump", LP_ALLOW_BYTECODE, NULL},
};

/* Stack: a library, in which each such function takes the place of the one that it calls. */
static void guard(lua_State *L, const char *library) {
  for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++) {
    if (strcmp(guarded[i].library, library) != 0) continue;
    lua_getfield(L, -1, guarded[i].name);
    if (guarded[i].instead) {
      lua_pushcclosure(L, guarded[i].instead, 1);
    } else {
      lua_pushinteger(L, (lua_Integer)guarded[i].bits);
      lua_pushfstring(L, "%s.%s", library, guarded[i].name);
      lua_pushcclosure(L, asking, 3);
    }
    lua_setfield(L, -2, guarded[i].name);
  }
}

/* ---- the libraries ---- */

/* Two libraries have fewer fields in environments that lack a bit. */
static const struct {
  const char *library;
  unsigned bits;
  const char *const *fields; /* that are left out, or with `only` alone left */
  bool only;
} reduced[] = {
    {"io", LP_ALLOW_PROCESS, (const char *const[]){"stdin", "stdout", "stderr", NULL}, false},
    {"debug", LP_ALLOW_DEBUG, (const char *const[]){"traceback", NULL}, true},
};

static bool is_one_of(const char *name, const char *const *list) {
  while (*list && strcmp(*list, name) != 0) list++;
  return *list != NULL;
}

/* Does an environment that lacks the bits have the field of the library in `reduced`? */
static bool has_field(int row, const char *name) {
  return is_one_of(name, reduced[row].fields) == reduced[row].only;
}

/* The row of `reduced` that holds for an environment with these bits, or -1. */
static int find_reduced(const char *library, unsigned allowed) {
  for (int i = 0; i < (int)(sizeof reduced / sizeof *reduced); i++)
    if (strcmp(reduced[i].library, library) == 0)
      return (allowed & reduced[i].bits) == reduced[i].bits ? -1 : i;
  return -1;
}

/* Pushes a new frozen library. */
static void make(lua_State *L, const char *library, int row) {
  lua_newtable(L);
  lp_env_get(L, library);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (row >= 0 && !has_field(row, lua_tostring(L, -2))) continue;
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -6);
  }
  lua_pop(L, 1);
  if (row < 0 || !reduced[row].only) {
    lp_counted_replace(L, library);
    guard(L, library);
  }
  lp_frozen_wrap(L);
}

/* Pushes the one that all environments with these bits share. The table of them is on top. */
static void push_shared(lua_State *L, const char *library, unsigned allowed) {
  int row = find_reduced(library, allowed);
  const char *name = lua_pushfstring(L, "%s%s", library, row < 0 ? "" : "-");
  if (lua_getfield(L, -2, name) == LUA_TNIL) {
    lua_pop(L, 1);
    make(L, library, row);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, name);
  }
  lua_remove(L, -2);
}

/* The generator of the environment begins at a place that the shared one gives, so that a seed
 * of the runtime decides it too. */
static void seed(lua_State *L) {
  lua_getfield(L, -1, "randomseed");
  lp_env_get(L, "math");
  for (int i = 0; i < 2; i++) {
    lua_getfield(L, -1 - i, "random");
    lua_pushinteger(L, 0);
    lua_call(L, 1, 1);
  }
  lua_remove(L, -3);
  lua_call(L, 2, 0);
}

static void push_math(lua_State *L) {
  luaopen_math(L);
  seed(L);
  lp_frozen_wrap(L);
}

/* Pushes the table of frozen libraries. */
static void push_known(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}

void lp_library_open(lua_State *L, unsigned allowed) {
  static const char *const shared[] = {"coroutine", "debug", "io",   "os",
                                       "string",    "table", "utf8", NULL};
  luaL_checkstack(L, 16, NULL);
  int target = lua_gettop(L);
  push_known(L);
  for (int i = 0; shared[i]; i++) {
    push_shared(L, shared[i], allowed);
    lua_setfield(L, target, shared[i]);
  }
  push_math(L);
  lua_setfield(L, target, "math");
  lua_settop(L, target);
}
