/* bindings/html/charset.c: text of any charset to UTF-8, by the C library's iconv.
 *
 * libxml2 would stop at the first byte that its converter refuses; pages in the wild have such
 * bytes. So pages are converted here first, and each byte that is none of the charset's becomes
 * U+FFFD. The output grows in a luaL_Buffer, so an error gives it back. Layer: bindings; any
 * process. */
#include "bindings/html/charset.h"

#include <errno.h>
#include <iconv.h>
#include <strings.h>

enum { CHUNK = 16384 };

/* Converts until the input or a chunk of output is used up; skips `unit` bytes where it must.
 */
static void convert_chunk(iconv_t cd, size_t unit, char **in, size_t *left, luaL_Buffer *b) {
  char *start = luaL_prepbuffsize(b, CHUNK), *out = start;
  size_t room = CHUNK - 3;
  size_t done = iconv(cd, in, left, &out, &room);
  if (done == (size_t)-1 && errno != E2BIG) {
    for (const char *c = "\xEF\xBF\xBD"; *c; c++) *out++ = *c;
    iconv(cd, NULL, NULL, NULL, NULL);
    size_t skip = unit < *left ? unit : *left;
    *in += skip;
    *left -= skip;
  }
  luaL_addsize(b, (size_t)(out - start));
}

/* Runs protected: the descriptor must be closed whatever happens. Arguments: text, descriptor.
 */
static int convert(lua_State *L) {
  size_t left;
  char *in = (char *)lua_tolstring(L, 1, &left);
  size_t unit = strncasecmp(lua_tostring(L, 2), "utf-16", 6) == 0 ? 2 : 1;
  iconv_t cd = lua_touserdata(L, 3);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  while (left > 0) convert_chunk(cd, unit, &in, &left, &b);
  luaL_pushresult(&b);
  return 1;
}

/* core.to_utf8(text, charset) -> text, or nil for an unknown charset. Bytes that are none of
 * the charset's come out as U+FFFD. */
static int html_to_utf8(lua_State *L) {
  luaL_checkstring(L, 1);
  const char *charset = luaL_checkstring(L, 2);
  lua_settop(L, 2);
  lua_pushcfunction(L, convert);
  lua_insert(L, 1);
  iconv_t cd = iconv_open("UTF-8", charset);
  if (cd == (iconv_t)-1) return 0;
  lua_pushlightuserdata(L, cd);
  int status = lua_pcall(L, 3, 1, 0);
  iconv_close(cd);
  return status == LUA_OK ? 1 : lua_error(L);
}

const luaL_Reg lpb_html_charset_functions[] = {{"to_utf8", html_to_utf8}, {NULL, NULL}};
