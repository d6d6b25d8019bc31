/* bindings/gzip/open.c: luapool.gzip.core: bytes compressed piece by piece (RFC 1952), by zlib.
 * Nothing waits. Layer: bindings; any process. */
#include <lauxlib.h>
#include <stdbool.h>
#include <zlib.h>

#include "bindings/bindings.h"
#include "bindings/gzip/gunzip.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

static const char DEFLATER[] = "luapool.gzip.Deflater";

typedef struct deflater {
  z_stream stream;
  bool open;
} deflater;

/* core.deflater() -> deflater. */
static int gzip_deflater(lua_State *L) {
  enum { GZIP = 16 + MAX_WBITS, MEMORY = 8 };
  deflater *d = lp_object_new(L, sizeof *d, 0);
  *d = (deflater){0};
  luaL_setmetatable(L, DEFLATER);
  int rc = deflateInit2(&d->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, MEMORY,
                        Z_DEFAULT_STRATEGY);
  d->open = rc == Z_OK;
  if (!d->open) return lp_raise(L, "memory", "gzip: not enough memory");
  return 1;
}

/* deflater:write(bytes, mode) -> what can be written of them so far. With mode "flush" that is
 * all, and with "finish" the end of the stream, too; nothing can follow it. */
static int deflater_write(lua_State *L) {
  static const char *const names[] = {"gather", "flush", "finish", NULL};
  static const int modes[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
  deflater *d = luaL_checkudata(L, 1, DEFLATER);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  int mode = modes[luaL_checkoption(L, 3, "gather", names)];
  luaL_argcheck(L, d->open, 1, "it is finished");
  luaL_argcheck(L, len <= UINT32_MAX, 2, "too long");
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  d->stream.next_in = (Bytef *)(uintptr_t)bytes;
  d->stream.avail_in = (uInt)len;
  do {
    d->stream.next_out = (Bytef *)luaL_prepbuffer(&b);
    d->stream.avail_out = LUAL_BUFFERSIZE;
    deflate(&d->stream, mode); /* it fails only for want of room, and gets more */
    luaL_addsize(&b, LUAL_BUFFERSIZE - d->stream.avail_out);
  } while (d->stream.avail_out == 0);
  d->open = mode != Z_FINISH;
  luaL_pushresult(&b);
  return 1;
}

static int deflater_gc(lua_State *L) {
  deflater *d = lua_touserdata(L, 1);
  deflateEnd(&d->stream);
  return 0;
}

int luaopen_luapool_gzip_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"deflater", gzip_deflater}, {"gunzip", lpb_gzip_gunzip}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"write", deflater_write}, {NULL, NULL}};
  luaL_newmetatable(L, DEFLATER);
  lua_pushcfunction(L, deflater_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
