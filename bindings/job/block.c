/* bindings/job/block.c: blocks of waiting items as bytes, in the form in which values travel,
 * and the file on the disk that they wait in. Layer: bindings. Process: main. */
#include "bindings/job/block.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/buf.h"
#include "runtime/loop/object.h"
#include "runtime/wire/wire.h"

/* What is encoded, and the objects of luapool.sync in it. */
typedef struct bufs {
  lp_buf bytes, objects;
} bufs;

static int bufs_gc(lua_State *L) {
  bufs *b = lua_touserdata(L, 1);
  lp_buf_close(&b->bytes);
  lp_buf_close(&b->objects);
  return 0;
}

/* job.pack(value) -> string, or nil when it has objects of luapool.sync, which nothing would
 * keep alive. Raises for what cannot travel. */
static int pack(lua_State *L) {
  bufs *b = lua_touserdata(L, lua_upvalueindex(1));
  lp_wire wire = {.objects = &b->objects};
  b->bytes.len = b->objects.len = 0;
  lp_wire_encode(L, &wire, 1, 1, &b->bytes);
  if (b->objects.len) return 0;
  lua_pushlstring(L, b->bytes.data, b->bytes.len);
  return 1;
}

/* job.flat(list, names) -> the fields of these names of each table of the list, one behind the
 * other; false where there is none. */
static int flat(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  int n = (int)lua_rawlen(L, 1), width = (int)lua_rawlen(L, 2), at = 0;
  luaL_checkstack(L, width + 2, "too many names");
  lua_createtable(L, n * width, 0);
  for (int k = 1; k <= width; k++) lua_rawgeti(L, 2, k); /* name k is at 3 + k */
  for (int i = 1; i <= n; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TTABLE) return luaL_argerror(L, 1, "tables expected");
    for (int k = 1; k <= width; k++) {
      lua_pushvalue(L, 3 + k);
      if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushboolean(L, 0);
      }
      lua_rawseti(L, 3, ++at);
    }
    lua_pop(L, 1);
  }
  lua_settop(L, 3);
  return 1;
}

/* job.unpack(string, plain) -> value. With `plain` functions and modules are refused. */
static int unpack(lua_State *L) {
  size_t len;
  const char *bytes = luaL_checklstring(L, 1, &len);
  lp_wire wire = {.no_functions = lua_toboolean(L, 2)};
  return lp_wire_decode(L, &wire, bytes, len);
}

static int close_file(lua_State *L) {
  luaL_Stream *s = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(s->f) == 0, NULL);
}

/* job.file(folder) -> a new file without a name, or nil and why there is none. Nothing of it is
 * left when the process ends, however that happens. */
static int new_file(lua_State *L) {
  const char *path = lua_pushfstring(L, "%s/luapool-XXXXXX", luaL_checkstring(L, 1));
  luaL_Stream *s = lp_object_new(L, sizeof *s, 0);
  *s = (luaL_Stream){.closef = NULL};
  luaL_setmetatable(L, LUA_FILEHANDLE);
  char *name = lp_object_new(L, strlen(path) + 1, 0);
  int fd = mkostemp(strcpy(name, path), O_CLOEXEC);
  if (fd < 0) return luaL_fileresult(L, 0, path);
  unlink(name);
  s->f = fdopen(fd, "w+");
  if (!s->f) {
    close(fd);
    return luaL_fileresult(L, 0, path);
  }
  s->closef = close_file;
  lua_pop(L, 1);
  return 1;
}

void lpb_job_block_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"pack", pack}, {"flat", flat}, {"unpack", unpack}, {"file", new_file}, {NULL, NULL}};
  bufs *b = lp_object_new(L, sizeof *b, 0);
  *b = (bufs){0};
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, bufs_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_setfuncs(L, functions, 1);
}
