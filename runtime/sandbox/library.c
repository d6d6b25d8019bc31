/* sandbox/library.c: the libraries of environments. They are made of the copies that luapool's
 * own scripts have, so no script has overwritten a function of them. What reaches outside of
 * the environment asks first, each time, so one frozen library serves environments with
 * different bits. Layer: sandbox. */
#include "runtime/sandbox/library.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/counted/counted.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/env.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/frozen.h"
#include "runtime/loop/raise.h"
#include "runtime/sandbox/base.h"
#include "runtime/sandbox/stream.h"

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

/* Our own scripts have another os.getenv than scripts, see loop/env.c. */
static int os_getenv(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lp_allow(L, LP_ALLOW_PROCESS, "os.getenv");
  lua_pushstring(L, getenv(name));
  return 1;
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
    {"os", "getenv", 0, os_getenv},
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
    if (!guarded[i].instead) lp_base_check_plain(L);
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

/* What each library has: what the host or a script has added to it is not for environments. An
 * environment that lacks a bit has `fewer`. */
static const struct {
  const char *library, *fields;
  unsigned bits;
  const char *fewer;
} libraries[] = {
    {"coroutine", "close create isyieldable resume running status wrap yield", 0, NULL},
    {"debug",
     "debug gethook getinfo getlocal getmetatable getregistry getupvalue getuservalue sethook "
     "setlocal setmetatable setupvalue setuservalue traceback upvalueid upvaluejoin",
     LP_ALLOW_DEBUG, "traceback"},
    {"io",
     "close flush input lines open output popen read stderr stdin stdout tmpfile type write",
     LP_ALLOW_PROCESS, "close input lines open output popen read tmpfile type"},
    {"os", "clock date difftime execute exit getenv remove rename setlocale time tmpname", 0,
     NULL},
    {"string",
     "byte char dump find format gmatch gsub len lower match pack packsize rep reverse sub "
     "unpack upper",
     0, NULL},
    {"table", "concat insert move pack remove sort unpack", 0, NULL},
    {"utf8", "char charpattern codepoint codes len offset", 0, NULL},
};

enum { LIBRARIES = sizeof libraries / sizeof *libraries };

/* Stack: from, to. Copies a field for each of the names. */
static void copy_named(lua_State *L, const char *names) {
  while (*names) {
    size_t len = strcspn(names, " ");
    lua_pushlstring(L, names, len);
    lua_pushvalue(L, -1);
    lua_rawget(L, -4);
    lua_rawset(L, -3);
    names += len + (names[len] == ' ');
  }
}

/* Pushes a new frozen library. */
static void make(lua_State *L, const char *library, const char *names, bool whole) {
  lp_env_get(L, library);
  lua_newtable(L);
  copy_named(L, names);
  lua_remove(L, -2);
  lp_counted_replace(L, library);
  guard(L, library);
  if (!whole && strcmp(library, LUA_IOLIBNAME) == 0) lp_stream_open(L);
  lp_frozen_wrap(L);
}

/* Pushes the one that all environments with these bits share. The table of them is on top. */
static void push_shared(lua_State *L, int row, unsigned allowed) {
  bool whole = (allowed & libraries[row].bits) == libraries[row].bits;
  const char *library = libraries[row].library,
             *name = lua_pushfstring(L, "%s%s", library, whole ? "" : "-");
  if (lua_getfield(L, -2, name) == LUA_TNIL) {
    lua_pop(L, 1);
    make(L, library, whole ? libraries[row].fields : libraries[row].fewer, whole);
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
  luaL_checkstack(L, 16, NULL);
  int target = lua_gettop(L);
  push_known(L);
  for (int i = 0; i < LIBRARIES; i++) {
    push_shared(L, i, allowed);
    lua_setfield(L, target, libraries[i].library);
  }
  push_math(L);
  lua_setfield(L, target, "math");
  lua_settop(L, target);
}
