/* tests/fuzz/fuzz_markup.c: any bytes become UTF-8, and that becomes a tree of each parser.
 *
 * The first byte chooses the parser, and what kind of text to_utf8 takes the bytes for; the
 * second a label that comes with them. Of what comes out: the text is valid UTF-8, the trees
 * keep their limits. */
#include <libxml/HTMLparser.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/bindings.h"
#include "bindings/html/fast.h"
#include "bindings/html/html5.h"
#include "bindings/html/prepare.h"
#include "bindings/html/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const LABELS[] = {NULL,     "utf-8",       "utf-16",       "gbk",
                                     "sjis",   "iso-2022-jp", "windows-1251", "big5",
                                     "euc-kr", "euc-jp",      "gb18030",      "windows-1255",
                                     "latin1", "utf-32",      "nonsense",     "x-mac-roman"};
static const char *const KINDS[] = {"html", "xml", "text"};

static void silent(void *data, const char *format, ...) {
  (void)data;
  (void)format;
}

/* The text in UTF-8, on the stack of L. */
static const char *decode(lua_State *L, const uint8_t *data, size_t size, size_t *len) {
  lua_settop(L, 1);
  lua_getfield(L, 1, "to_utf8");
  lua_pushlstring(L, (const char *)data + 2, size - 2);
  lua_pushstring(L, LABELS[data[1] % 16]);
  lua_pushstring(L, KINDS[data[0] / 4 % 3]);
  if (lua_pcall(L, 3, 2, 0) != LUA_OK) abort();
  lua_getglobal(L, "utf8");
  lua_getfield(L, -1, "len");
  lua_pushvalue(L, 2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK || lua_isnil(L, -1)) abort();
  return lua_tolstring(L, 2, len);
}

static void check(const xmlDoc *doc) {
  const xmlNode *n = doc->children;
  for (int depth = 1; n;) {
    int count = 0;
    for (const xmlAttr *a = n->type == XML_ELEMENT_NODE ? n->properties : NULL; a; a = a->next)
      count++;
    if (depth > LPB_HTML_PREPARE_DEPTH + 1 || count > LPB_HTML_PREPARE_ATTRIBUTES) abort();
    if (n->type == XML_ELEMENT_NODE && n->children) {
      n = n->children;
      depth++;
      continue;
    }
    while (n && !n->next) {
      n = n->parent && n->parent->type == XML_ELEMENT_NODE ? n->parent : NULL;
      depth--;
    }
    if (n) n = n->next;
  }
}

static xmlDoc *parse(int parser, const char *text, size_t len) {
  xmlDoc *doc = NULL;
  lpb_html_xml_prefix given = {"p", "u"};
  lpb_html_xml x = {.given = &given, .given_count = parser & 1, .strict = parser == 3};
  switch (parser) {
  case 0: return lpb_html_fast_parse(text, len, &doc) == 0 ? doc : NULL;
  case 1: return lpb_html_html5_parse(text, len, &doc) == 0 ? doc : NULL;
  default: return lpb_html_xml_parse(&x, text, len) == 0 ? x.doc : NULL;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (size < 2) return 0;
  if (!L) {
    L = luaL_newstate();
    luaL_openlibs(L);
    luaopen_luapool_charset_core(L);
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, silent);
  }
  size_t len;
  const char *text = decode(L, data, size, &len);
  int parser = data[0] % 4;
  if (parser == 1 || !memchr(text, '\0', len)) {
    xmlDoc *doc = parse(parser, text, len);
    if (doc) check(doc);
    xmlFreeDoc(doc);
  }
  return 0;
}
