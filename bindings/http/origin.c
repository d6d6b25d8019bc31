/* bindings/http/origin.c: the origin of a URL. curl's parser finds it, so that a request goes
 * to the host that was compared, however odd the URL is. Layer: bindings. */
#include "bindings/http/origin.h"

#include <ctype.h>
#include <curl/curl.h>
#include <lauxlib.h>

#include "bindings/http/host.h"

enum { SCHEME, HOST, PORT, PATH, PARTS };

static const CURLUPart ids[PARTS] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT,
                                     CURLUPART_PATH};

static CURLUcode parse(const char *url, char **parts) {
  CURLU *u = curl_url();
  if (!u) return CURLUE_OUT_OF_MEMORY;
  CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, 0);
  if (!rc && lpb_http_host_encode(u)) rc = CURLUE_BAD_HOSTNAME;
  for (int i = 0; i < PARTS && !rc; i++)
    rc = curl_url_get(u, ids[i], &parts[i], CURLU_DEFAULT_PORT);
  curl_url_cleanup(u);
  return rc;
}

static void lower(char *text) {
  for (; *text; text++) *text = (char)tolower((unsigned char)*text);
}

/* Runs protected, because the parts are to be freed when memory is short. */
static int push(lua_State *L) {
  char **parts = lua_touserdata(L, 1);
  lua_pushfstring(L, "%s://%s:%s", parts[SCHEME], parts[HOST], parts[PORT]);
  lua_pushstring(L, parts[HOST]);
  lua_pushstring(L, parts[PATH]);
  return 3;
}

int lpb_http_origin(lua_State *L) {
  char *parts[PARTS] = {0};
  CURLUcode code = parse(luaL_checkstring(L, 1), parts);
  int rc = LUA_OK;
  if (code == CURLUE_OK) {
    lower(parts[SCHEME]);
    lower(parts[HOST]);
    lua_settop(L, 0);
    lua_pushcfunction(L, push);
    lua_pushlightuserdata(L, parts);
    rc = lua_pcall(L, 1, 3, 0);
  }
  for (int i = 0; i < PARTS; i++) curl_free(parts[i]);
  if (rc != LUA_OK) return lua_error(L);
  if (code == CURLUE_OK) return 3;
  lua_pushnil(L);
  lua_pushstring(L, curl_url_strerror(code));
  return 2;
}
