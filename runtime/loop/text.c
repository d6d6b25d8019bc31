/* loop/text.c: what scripts write. One call hands one text over, of however many values it was
 * made: those of a `print` are never mixed with others. Layer: loop. Process: any. */
#include "runtime/loop/text.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "runtime/loop/state.h"

void lp_text(lp_state *st, int kind, const char *bytes, size_t len) {
  if (st->text) st->text(st, kind, bytes, len);
}

/* Hands over the strings and numbers from `first` to `last` as one text, with `between` (0:
 * nothing) between them and behind the last one `end` (0: nothing). */
static void hand_over(lua_State *L, int kind, int first, int last, char between, char end) {
  char few[512];
  size_t len, all = 1;
  for (int i = first; i <= last; i++) {
    lua_tolstring(L, i, &len);
    all += len + 1;
  }
  char *text = all <= sizeof few ? few : lua_newuserdatauv(L, all, 0), *at = text;
  for (int i = first; i <= last; i++) {
    const char *bytes = lua_tolstring(L, i, &len);
    at = (char *)memcpy(at, bytes, len) + len;
    if (between && i < last) *at++ = between;
  }
  if (end) *at++ = end;
  if (at > text) lp_text(lp_state_of(L), kind, text, (size_t)(at - text));
}

/* print(...). All words are made before the first is written: __tostring may print, too. */
static int text_print(lua_State *L) {
  int count = lua_gettop(L);
  luaL_checkstack(L, count + 1, NULL);
  for (int i = 1; i <= count; i++) luaL_tolstring(L, i, NULL);
  hand_over(L, LP_TEXT_OUT, count + 1, 2 * count, '\t', '\n');
  return 0;
}

/* ---- files ---- */

/* The kind of text that a file is for, or 0. */
static int kind_at(lua_State *L, int index) {
  const luaL_Stream *file = luaL_testudata(L, index, LUA_FILEHANDLE);
  if (!file || !file->closef) return 0;
  return file->f == stdout ? LP_TEXT_OUT : file->f == stderr ? LP_TEXT_ERR : 0;
}

/* Pushes the default output. Returns its kind. */
static int push_output(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, "_IO_output"); /* where the standard library has it */
  return kind_at(L, -1);
}

/* Writes the arguments from `first` on, and returns the file on top of the stack as the
 * standard function does. Floats are written as that writes them: 2.0 is 2. */
static int write_arguments(lua_State *L, int kind, int first) {
  int last = lua_gettop(L) - 1;
  char number[64];
  for (int i = first; i <= last; i++) {
    if (lua_type(L, i) != LUA_TNUMBER || lua_isinteger(L, i)) {
      bool wrong = !lua_isstring(L, i);
      if (wrong && i > first)
        hand_over(L, kind, first, i - 1, 0, 0); /* what stands before it */
      luaL_checkstring(L, i);
    } else {
      int len = lua_number2str(number, sizeof number, lua_tonumber(L, i));
      lua_pushlstring(L, number, (size_t)len);
      lua_replace(L, i);
    }
  }
  hand_over(L, kind, first, last, 0, 0);
  lua_settop(L, last + 1);
  return 1;
}

/* What was written before is to be seen now. */
static int flush(lua_State *L, int kind) {
  lp_text(lp_state_of(L), kind, "", 0);
  lua_pushboolean(L, true);
  return 1;
}

static int text_io_write(lua_State *L) {
  int kind = push_output(L);
  if (kind) return write_arguments(L, kind, 1);
  lua_pop(L, 1);
  return lp_state_of(L)->files.write(L);
}

static int text_io_flush(lua_State *L) {
  int kind = push_output(L);
  if (kind) return flush(L, kind);
  lua_pop(L, 1);
  return lp_state_of(L)->files.flush(L);
}

static int text_file_write(lua_State *L) {
  int kind = kind_at(L, 1);
  if (!kind) return lp_state_of(L)->files.file_write(L);
  lua_pushvalue(L, 1);
  return write_arguments(L, kind, 2);
}

static int text_file_flush(lua_State *L) {
  int kind = kind_at(L, 1);
  return kind ? flush(L, kind) : lp_state_of(L)->files.file_flush(L);
}

/* Puts `f` in place of a field of the table on top of the stack. Returns what was there. */
static lua_CFunction replace(lua_State *L, const char *name, lua_CFunction f) {
  lua_getfield(L, -1, name);
  lua_CFunction standard = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  lua_pushcfunction(L, f);
  lua_setfield(L, -2, name);
  return standard;
}

void lp_text_open(lua_State *L) {
  lp_text_files *files = &lp_state_of(L)->files;
  lua_pushcfunction(L, text_print);
  lua_setglobal(L, "print");
  lua_getglobal(L, LUA_IOLIBNAME);
  files->write = replace(L, "write", text_io_write);
  files->flush = replace(L, "flush", text_io_flush);
  lua_pop(L, 1);
  if (lp_state_of(L)->attached) return; /* files are the host's */
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_getfield(L, -1, "__index");
  files->file_write = replace(L, "write", text_file_write);
  files->file_flush = replace(L, "flush", text_file_flush);
  lua_pop(L, 2);
}
