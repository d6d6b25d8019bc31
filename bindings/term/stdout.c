/* bindings/term/stdout.c: `print` and `io.write` as the program's main
 * process has them: a closed pipe (luapool run … | head -1) ends the program at once and
 * quietly, status 0, and on a terminal lines go above the bars. In all else they are the
 * standard ones, so they are in C as those are: they travel by name, and their errors name
 * them. Layer: bindings. Process: main. */
#include "bindings/term/stdout.h"

#include <errno.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* Kept in the registry, so that both functions are as bare as the standard ones: io.stdout, the
 * standard io.write, and luapool.term.core on a terminal. */
enum { FILE_OBJECT = 1, STANDARD_WRITE, SCREEN };
static const char KEPT;

static void push_kept(lua_State *L, int which) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &KEPT);
  lua_rawgeti(L, -1, which);
  lua_remove(L, -2);
}

/* Returns false without a terminal. */
static bool tell_screen(lua_State *L, const char *verb) {
  push_kept(L, SCREEN);
  bool terminal = lua_istable(L, -1);
  if (terminal) {
    lua_getfield(L, -1, verb);
    lua_call(L, 0, 0);
  }
  lua_pop(L, 1);
  return terminal;
}

static bool file_is_open(lua_State *L) {
  push_kept(L, FILE_OBJECT);
  luaL_Stream *file = lua_touserdata(L, -1);
  bool open = file->closef != NULL;
  lua_pop(L, 1);
  return open;
}

static lua_CFunction standard_write(lua_State *L) {
  push_kept(L, STANDARD_WRITE);
  lua_CFunction f = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  return f;
}

/* The program ignores SIGPIPE, so that a dead worker is no death of main: who writes looks. */
static void end_without_reader(int code) {
  if (code == EPIPE) _exit(0);
}

/* Writes the strings from `first` up to the top as one line. */
static void write_line(lua_State *L, int first) {
  bool ok = true;
  errno = 0;
  for (int i = first, top = lua_gettop(L); i <= top; i++) {
    size_t len;
    const char *text = lua_tolstring(L, i, &len);
    if (i > first) ok = putc('\t', stdout) != EOF && ok;
    ok = fwrite(text, 1, len, stdout) == len && ok;
  }
  ok = putc('\n', stdout) != EOF && ok;
  if (!ok) end_without_reader(errno);
}

/* print(...). All words are made before the first is written: __tostring may print, too. */
static int stdout_print(lua_State *L) {
  int count = lua_gettop(L);
  luaL_checkstack(L, count + 3, NULL);
  for (int i = 1; i <= count; i++) luaL_tolstring(L, i, NULL);
  if (!file_is_open(L)) return luaL_error(L, "attempt to use a closed file");
  bool terminal = tell_screen(L, "hold");
  write_line(L, count + 1);
  if (terminal) fflush(stdout);
  tell_screen(L, "release");
  return 0;
}

static bool ends_a_line(lua_State *L) {
  size_t len;
  bool string = lua_gettop(L) > 0 && lua_type(L, -1) == LUA_TSTRING;
  const char *text = string ? lua_tolstring(L, -1, &len) : NULL;
  return text && len > 0 && text[len - 1] == '\n';
}

/* io.write(...). The standard one runs in this call: its errors tell of 'io.write'. The bars
 * stay away until a line is whole. */
static int stdout_write(lua_State *L) {
  bool whole = ends_a_line(L), terminal = tell_screen(L, "hold");
  int results = standard_write(L)(L);
  if (results == 3) end_without_reader((int)lua_tointeger(L, -1));
  if (terminal) fflush(stdout);
  if (whole) tell_screen(L, "release");
  return results;
}

/* core.take(screen): puts `print` and `io.write` under these rules, once; screen is
 * luapool.term.core when stdout and stderr are a terminal, else nil. */
static int stdout_take(lua_State *L) {
  lua_settop(L, 1);
  lua_getglobal(L, LUA_IOLIBNAME);
  lua_createtable(L, SCREEN, 0);
  lua_getfield(L, 2, "stdout");
  luaL_checkudata(L, -1, LUA_FILEHANDLE);
  lua_rawseti(L, 3, FILE_OBJECT);
  lua_getfield(L, 2, "write");
  lua_rawseti(L, 3, STANDARD_WRITE);
  lua_pushvalue(L, 1);
  lua_rawseti(L, 3, SCREEN);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &KEPT);
  lua_pushcfunction(L, stdout_print);
  lua_setglobal(L, "print");
  lua_pushcfunction(L, stdout_write);
  lua_setfield(L, 2, "write");
  return 0;
}

const luaL_Reg lpb_term_stdout_functions[] = {{"take", stdout_take}, {NULL, NULL}};
