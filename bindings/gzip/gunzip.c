/* bindings/gzip/gunzip.c: gzip files as a whole (sitemaps), by the decoder of HTTP bodies.
 * Layer: bindings; any process. */
#include "bindings/gzip/gunzip.h"

#include <lauxlib.h>

#include "bindings/http/decode.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

/* The decoder lives in a userdata, so that an error on the way loses nothing. */
static int decoder_gc(lua_State *L) {
  lpb_http_decode **d = lua_touserdata(L, 1);
  lpb_http_decode_close(*d);
  *d = NULL;
  return 0;
}

static lpb_http_decode *new_decoder(lua_State *L) {
  lpb_http_decode **d = lp_object_new(L, sizeof *d, 0);
  *d = NULL;
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, decoder_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  int rc = lpb_http_decode_open(d, "gzip", 4);
  if (rc < 0) lp_raise_code(L, rc, "cannot decompress");
  return *d;
}

/* core.gunzip(bytes, most) -> what is compressed in them. Raises kind `corrupt` for damaged
 * bytes, `too_large` when it is more than `most` bytes. */
int lpb_gzip_gunzip(lua_State *L) {
  size_t left, made, most = (size_t)luaL_checkinteger(L, 2), total = 0;
  const char *in = luaL_checklstring(L, 1, &left);
  lpb_http_decode *d = new_decoder(L);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  int more = 1;
  while (more == 1) {
    char *room = luaL_prepbuffsize(&out, 64 << 10);
    more = lpb_http_decode_read(d, &in, &left, room, 64 << 10, &made);
    if (more < 0) return lp_raise_code(L, more, "cannot decompress");
    luaL_addsize(&out, made);
    total += made;
    if (total > most) return lp_raise_code(L, LP_ETOO_LARGE, "cannot decompress");
  }
  int rc = lpb_http_decode_finish(d);
  if (rc < 0) return lp_raise_code(L, rc, "cannot decompress");
  luaL_pushresult(&out);
  return 1;
}
