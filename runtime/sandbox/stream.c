/* sandbox/stream.c: frozen objects that stand for the two files of the process. Layer: sandbox.
 */
#include "runtime/sandbox/stream.h"

#include <lauxlib.h>
#include <stdbool.h>

#include "runtime/loop/allow.h"
#include "runtime/loop/env.h"
#include "runtime/loop/frozen.h"

enum { METHOD = 1, FILE_OBJECT, STREAM }; /* upvalues */

/* Calls a method of the file. Where that returns the file, the script gets the stream. */
static int call_method(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(FILE_OBJECT));
  lua_insert(L, 1);
  int n = lua_tocfunction(L, lua_upvalueindex(METHOD))(L);
  if (n == 1 && lua_rawequal(L, -1, lua_upvalueindex(FILE_OBJECT))) {
    lua_pushvalue(L, lua_upvalueindex(STREAM));
    lua_replace(L, -2);
  }
  return n;
}

/* stream:write(...), stream:flush(). */
static int stream_method(lua_State *L) {
  luaL_argexpected(L, lua_rawequal(L, 1, lua_upvalueindex(STREAM)), 1, "FILE*");
  lua_remove(L, 1);
  return call_method(L);
}

static int stream_setvbuf(lua_State *L) {
  lua_pushboolean(L, true);
  return 1;
}

static int stream_close(lua_State *L) {
  lp_allow_bit(L, LP_ALLOW_PROCESS, "file:close");
  return 0;
}

/* Pushes a function that calls a method of the file `name` of `io`; the stream is at `stream`.
 */
static void push_method(lua_State *L, lua_CFunction f, const char *name, const char *method,
                        int stream) {
  lp_env_get(L, "io");
  lua_getfield(L, -1, name);
  lua_getfield(L, -1, method);
  lua_replace(L, -3);
  lua_pushvalue(L, stream);
  lua_pushcclosure(L, f, STREAM);
}

/* Pushes a new stream. */
static void push_stream(lua_State *L, const char *name) {
  static const char *const methods[] = {"write", "flush"};
  static const luaL_Reg others[] = {
      {"setvbuf", stream_setvbuf}, {"close", stream_close}, {NULL, NULL}};
  luaL_newlib(L, others);
  int hidden = lua_gettop(L), stream = hidden + 1;
  lua_pushvalue(L, hidden);
  lp_frozen_wrap(L);
  for (int i = 0; i < 2; i++) {
    push_method(L, stream_method, name, methods[i], stream);
    lua_setfield(L, hidden, methods[i]);
  }
  lua_remove(L, hidden);
}

void lp_stream_open(lua_State *L) {
  int library = lua_gettop(L);
  luaL_checkstack(L, 10, NULL);
  push_stream(L, "stderr");
  lua_setfield(L, library, "stderr");
  push_stream(L, "stdout");
  push_method(L, call_method, "stdout", "write", library + 1);
  lua_setfield(L, library, "write");
  push_method(L, call_method, "stdout", "flush", library + 1);
  lua_setfield(L, library, "flush");
  lua_setfield(L, library, "stdout");
}
