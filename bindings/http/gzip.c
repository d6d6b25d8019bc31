/* bindings/http/gzip.c: a compressor as a Lua object, on zlib. Layer: bindings. */
#include "bindings/http/gzip.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <zlib.h>

#include "bindings/class.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

static const char GZIP[] = "luapool.http.core.gzip";

enum { WITH_HEADER = 15 + 16, MEMORY = 8 };

typedef struct gzip {
  z_stream z;
  bool open;
} gzip;

static void *zlib_alloc(void *unused, unsigned count, unsigned size) {
  (void)unused;
  return lp_alloc_resize(NULL, (size_t)count * size);
}

static void zlib_free(void *unused, void *p) {
  (void)unused;
  lp_alloc_free(p);
}

/* compressor:push(bytes, last) -> bytes, possibly none. `last` ends the stream. */
static int gzip_push(lua_State *L) {
  gzip *g = lpb_class_check(L, GZIP);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, len <= UINT32_MAX, 2, "too long");
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  g->z.next_in = (Bytef *)bytes;
  g->z.avail_in = (uInt)len;
  do {
    g->z.next_out = (Bytef *)luaL_prepbuffer(&out);
    g->z.avail_out = LUAL_BUFFERSIZE;
    deflate(&g->z, lua_toboolean(L, 3) ? Z_FINISH : Z_NO_FLUSH);
    luaL_addsize(&out, LUAL_BUFFERSIZE - g->z.avail_out);
  } while (g->z.avail_out == 0);
  luaL_pushresult(&out);
  return 1;
}

static int gzip_gc(lua_State *L) {
  gzip *g = lpb_class_check(L, GZIP);
  if (g->open) deflateEnd(&g->z);
  g->open = false;
  return 0;
}

int lpb_http_gzip_new(lua_State *L) {
  gzip *g = lp_object_new(L, sizeof *g, 0);
  *g = (gzip){.z = {.zalloc = zlib_alloc, .zfree = zlib_free}};
  luaL_setmetatable(L, GZIP);
  g->open = deflateInit2(&g->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WITH_HEADER, MEMORY,
                         Z_DEFAULT_STRATEGY) == Z_OK;
  return g->open ? 1 : lp_raise_code(L, LP_EMEMORY, "gzip");
}

void lpb_http_gzip_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"push", gzip_push}, {"__gc", gzip_gc}, {NULL, NULL}};
  lpb_class_new(L, GZIP, methods);
  lua_pop(L, 1);
}
