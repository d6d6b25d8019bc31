/* bindings/charset/open.c: luapool.charset.core: the one place that decides in which charset a
 * document is, for answers of servers, pages and XML alike.
 *
 * In this order: a byte order mark; what the caller was told (a Content-Type); what the
 * document says of itself; UTF-16 by its zero bytes; UTF-8, when it fits; windows-1252. Layer:
 * bindings; any process. */
#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "bindings/bindings.h"
#include "bindings/charset/decode.h"
#include "bindings/charset/sniff.h"

static const char *const KINDS[] = {"text", "html", "xml", NULL};

static const lpb_charset_label *named(const char *label) {
  return lpb_charset_label_find(label, strlen(label));
}

static const lpb_charset_label *guess(const char *text, size_t len) {
  return named(lpb_charset_decode_is_utf8(text, len) ? "utf-8" : "windows-1252");
}

/* A text that is said to be UTF-16 may have its bytes in the other order. */
static const lpb_charset_label *decide(const char *text, size_t len, const char *told,
                                       size_t told_len, lpb_charset_sniff_kind kind) {
  const lpb_charset_label *found = told ? lpb_charset_label_find(told, told_len) : NULL;
  if (found && found->form != LPB_CHARSET_UTF16) return found;
  const lpb_charset_label *zeros = lpb_charset_sniff_zeros(text, len);
  if (found || zeros) return zeros ? zeros : found;
  found = lpb_charset_sniff_said(text, len, kind);
  return found ? found : guess(text, len);
}

/* core.to_utf8(text [, charset [, kind]]) -> the text in UTF-8, the name of its charset. The
 * charset is the label that came with the text, if any; a byte order mark outweighs it, and an
 * unknown one counts for nothing. The kind is "html" (the default), "xml" or "text". */
static int charset_to_utf8(lua_State *L) {
  size_t len, told_len = 0, mark;
  const char *text = luaL_checklstring(L, 1, &len);
  const char *told = luaL_optlstring(L, 2, NULL, &told_len);
  lpb_charset_sniff_kind kind = (lpb_charset_sniff_kind)luaL_checkoption(L, 3, "html", KINDS);
  const lpb_charset_label *charset = lpb_charset_sniff_mark(text, len, &mark);
  if (!charset) charset = decide(text, len, told, told_len, kind);
  if (!lpb_charset_decode_push(L, 1, mark, charset)) {
    charset = guess(text + mark, len - mark);
    if (!lpb_charset_decode_push(L, 1, mark, charset))
      lpb_charset_decode_push(L, 1, mark, charset = named("utf-8"));
  }
  lua_pushstring(L, charset->name);
  return 2;
}

static const char *kind_of(const char *type, size_t len) {
  size_t n = strcspn(type, ";, \t");
  if (n > len) n = len;
  if (n == 0 || (n == 9 && strncasecmp(type, "text/html", n) == 0)) return "html";
  if (n == 21 && strncasecmp(type, "application/xhtml+xml", n) == 0) return "html";
  return n > 3 && strncasecmp(type + n - 3, "xml", 3) == 0 ? "xml" : "text";
}

/* core.of_type(content_type) -> the label in it or nil, and the kind of the text: "html" (also
 * when nothing is said), "xml" or "text". */
static int charset_of_type(lua_State *L) {
  size_t len, found;
  const char *type = luaL_optlstring(L, 1, "", &len);
  const char *label = lpb_charset_sniff_parameter(type, len, &found);
  if (label) {
    lua_pushlstring(L, label, found);
  } else {
    lua_pushnil(L);
  }
  lua_pushstring(L, kind_of(type, len));
  return 2;
}

int luaopen_luapool_charset_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"to_utf8", charset_to_utf8}, {"of_type", charset_of_type}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
