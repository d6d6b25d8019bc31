/* bindings/url/open.c: luapool.url.core. Layer: bindings; any process. */
#include <lauxlib.h>

#include "bindings/bindings.h"
#include "bindings/url/url.h"

enum { SMALL = 2048 };

/* Memory for `need` bytes: `small` (of SMALL bytes), or a block that the stack holds. */
static char *room_for(lua_State *L, size_t need, char *small) {
  return need <= SMALL ? small : lua_newuserdatauv(L, need, 0);
}

/* url.resolve(reference, base) -> URL. */
static int url_resolve(lua_State *L) {
  size_t len, base_len, out_len;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *base = luaL_checklstring(L, 2, &base_len);
  char small[SMALL], *room = room_for(L, LPB_URL_ROOM(len + base_len), small);
  const char *out = lpb_url_resolve(text, len, base, base_len, room, &out_len);
  lua_pushlstring(L, out, out_len);
  return 1;
}

/* url.normal(url [, fragment [, base]]) -> the URL in normal form, its scheme, its host, its
 * host with the port where that is not the scheme's own; or nil for what is no URL with a host.
 * With a base it is a reference in a page there. */
static int url_normal(lua_State *L) {
  size_t len, base_len = 0;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *base = luaL_optlstring(L, 3, NULL, &base_len);
  char small[SMALL], small_too[SMALL];
  if (base && !lpb_url_stands_alone(text, len)) {
    char *room = room_for(L, LPB_URL_ROOM(len + base_len), small_too);
    text = lpb_url_resolve(text, len, base, base_len, room, &len);
  }
  char *room = room_for(L, LPB_URL_ROOM(len), small);
  lpb_url url;
  if (!lpb_url_normal(text, len, lua_toboolean(L, 2), room, &url)) return 0;
  lua_pushlstring(L, url.text, url.len);
  lua_pushlstring(L, url.text, url.scheme_len);
  lua_pushlstring(L, url.host, url.host_len);
  if (url.authority_len == url.host_len) {
    lua_pushvalue(L, -1);
  } else {
    lua_pushlstring(L, url.host, url.authority_len);
  }
  return 4;
}

/* url.authority(url) -> the last of what url.normal returns alone. */
static int url_authority(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  char small[SMALL], *room = room_for(L, LPB_URL_ROOM(len), small);
  lpb_url url;
  if (!lpb_url_normal(text, len, false, room, &url)) return 0;
  lua_pushlstring(L, url.host, url.authority_len);
  return 1;
}

int luaopen_luapool_url_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"resolve", url_resolve},
                                       {"normal", url_normal},
                                       {"authority", url_authority},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
