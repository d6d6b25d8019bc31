/* bindings/http/allow.c: what a request reaches: its URL, its proxy, and files by way of
 * options. The host of the runtime sees URLs as curl reads them, so that no odd spelling leads
 * past it. Layer: bindings. */
#include "bindings/http/allow.h"

#include <curl/curl.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/class.h"
#include "bindings/http/client.h"
#include "runtime/loop/allow.h"

/* Fields of the plan that name a file. */
static const struct {
  const char *name;
  unsigned what;
} files[] = {
    {"unix_socket", LP_ALLOW_NET}, {"file", LP_ALLOW_READ}, {"ca", LP_ALLOW_READ},
    {"cert", LP_ALLOW_READ},       {"key", LP_ALLOW_READ},  {"netrc", LP_ALLOW_READ},
    {"save_to", LP_ALLOW_WRITE},
};

/* Pushes "https://host:443/path?query" of a URL; false when it is none. Nothing in it is the
 * script's spelling: names are in small letters, the port is there, no user and no password. */
static bool push_url(lua_State *L, lpb_http_host_set *hosts, const char *text, size_t len,
                     bool proxy) {
  const char *why;
  char *path = NULL, *query = NULL;
  lpb_http_host_url *u = proxy ? lpb_http_host_find_proxy(hosts, text, len, &why)
                               : lpb_http_host_find_url(hosts, text, len, &why);
  if (!u) return false;
  char room[2048];
  curl_url_get(u->parsed, CURLUPART_PATH, &path, 0);
  curl_url_get(u->parsed, CURLUPART_QUERY, &query, 0);
  int n = snprintf(room, sizeof room, "%s%s%s%s", u->host->key, path ? path : "/",
                   query ? "?" : "", query ? query : "");
  curl_free(path);
  curl_free(query);
  lpb_http_host_release(u);
  lua_pushlstring(L, room, n < (int)sizeof room ? (size_t)n : sizeof room - 1);
  return true;
}

/* The URL is the string at `index`. One that cannot be read is for the request to complain of.
 */
static void check_url(lua_State *L, int index, bool proxy) {
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  lpb_http_client *c = lpb_class_check(L, LPB_HTTP_CLIENT);
  bool begun = !c->closed && lpb_http_client_begin(c, lp_state_of(L)) == 0;
  if (!begun || !push_url(L, &c->hosts, text, len, proxy)) {
    lp_allow_bit(L, LP_ALLOW_NET, text);
    return;
  }
  lp_allow(L, LP_ALLOW_NET, lua_tostring(L, -1));
  lua_pop(L, 1);
}

/* The file that the value on top names; `true` is what stands in for the user's .netrc. */
static void check_file(lua_State *L, unsigned what) {
  const char *home = getenv("HOME");
  if (lua_type(L, -1) == LUA_TSTRING) {
    lp_allow_path(L, what, lua_tostring(L, -1));
  } else if (lua_toboolean(L, -1)) {
    lp_allow_path(L, what, lua_pushfstring(L, "%s/.netrc", home ? home : ""));
    lua_pop(L, 1);
  }
}

/* Stack: the list of the parts of a form. */
static void check_parts(lua_State *L) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    lua_getfield(L, -1, "file");
    check_file(L, LP_ALLOW_READ);
    lua_pop(L, 2);
  }
}

static void check_plan(lua_State *L, int plan) {
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    lua_getfield(L, plan, files[i].name);
    check_file(L, files[i].what);
    lua_pop(L, 1);
  }
  if (lua_getfield(L, plan, "multipart") == LUA_TTABLE) check_parts(L);
  if (lua_getfield(L, plan, "proxy") == LUA_TSTRING && lua_rawlen(L, -1) > 0)
    check_url(L, lua_gettop(L), true);
  lua_pop(L, 2);
}

void lpb_http_allow(lua_State *L) {
  if (!lp_allow_guarded(L)) return;
  check_url(L, 3, false);
  if (lua_istable(L, 4)) check_plan(L, 4);
}
