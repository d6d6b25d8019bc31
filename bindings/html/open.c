/* bindings/html/open.c: luapool.html.core: documents of HTML and XML and their nodes, by
 * libxml2.
 *
 * Text comes in as valid UTF-8 (scripts/luapool/html.lua sees to that). Nothing is fetched, no
 * entity is defined by a document, and nothing is printed. Layer: bindings; any process. */
#include <libxml/parser.h>
#include <libxml/xpathInternals.h>
#include <stdbool.h>

#include "bindings/bindings.h"
#include "bindings/html/css.h"
#include "bindings/html/fast.h"
#include "bindings/html/html5.h"
#include "bindings/html/hush.h"
#include "bindings/html/node.h"
#include "bindings/html/xml.h"
#include "bindings/html/xpath.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/weight.h"

static const char DOC[] = "luapool.html.Document";

static int doc_gc(lua_State *L) {
  lpb_html_node_doc *doc = lua_touserdata(L, 1);
  size_t weight = doc->weight;
  lpb_html_node_close(doc);
  lp_weight_drop(lp_state_of(L), weight);
  return 0;
}

/* What the tree of a text weighs, about: each tag makes an element and the text behind it, each
 * blank inside of one an attribute and its text. */
static size_t weight_of(const char *text, size_t len) {
  enum { TAG = 288, ATTRIBUTE = 256, TWICE = 2 /* the text as it is, and prepared */ };
  size_t weight = len * TWICE;
  bool inside = false;
  for (size_t i = 0; i < len; i++) {
    if (text[i] == '<') {
      inside = true;
      weight += TAG;
    } else if (text[i] == '>') {
      inside = false;
    } else if (inside && (text[i] == ' ' || text[i] == '\n' || text[i] == '/')) {
      weight += ATTRIBUTE;
    }
  }
  return weight;
}

/* Counts a document for what it will hold, until it is collected. */
static void weigh(lua_State *L, lpb_html_node_doc *doc, const char *text, size_t len,
                  const char *function) {
  if (!lp_weight_counts(L)) return;
  size_t weight = weight_of(text, len);
  lp_weight_add(L, weight, function);
  doc->weight = weight;
}

/* The collector does not see trees: it works as if one were Lua memory, about TREE times its
 * text, so that dropped documents do not pile up. */
static void charge_collector(lua_State *L, size_t len) {
  enum { TREE = 8 };
  if (lua_gc(L, LUA_GCISRUNNING)) lua_gc(L, LUA_GCSTEP, (int)(len / 1024 * TREE + 1));
}

/* Pushes a document without a tree. */
static lpb_html_node_doc *new_document(lua_State *L) {
  lpb_html_node_doc *doc = lp_object_new(L, sizeof *doc, 1);
  *doc = (lpb_html_node_doc){0};
  luaL_setmetatable(L, DOC);
  return doc;
}

/* What libxml2 would print. */
static void be_silent(void *data, const char *format, ...) {
  (void)data;
  (void)format;
}

/* core.parse(text [, base_url [, parser]]) -> the document's node. The parser is "html" (the
 * default) or "html5". */
static int html_parse(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  static const char *const parsers[] = {"html", "html5", NULL};
  bool html5 = luaL_checkoption(L, 3, "html", parsers) == 1;
  lua_settop(L, 2);
  lpb_html_node_doc *doc = new_document(L);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, 1);
  weigh(L, doc, text, len, "html.parse");
  lpb_html_hush hush = lpb_html_hush_begin(be_silent, NULL);
  int code = html5 ? lpb_html_html5_parse(text, len, &doc->xml)
                   : lpb_html_fast_parse(text, len, &doc->xml);
  lpb_html_hush_end(&hush);
  if (code == LP_ETOO_LARGE && html5)
    return lp_raise(L, "too_large",
                    "html.parse: made to keep the parser busy: its length does "
                    "not explain the time or memory that it takes");
  if (code != 0) return lp_raise_code(L, code, "html.parse");
  lpb_html_node_push(L, 3, (xmlNode *)doc->xml);
  charge_collector(L, len);
  return 1;
}

/* Reads the list {prefix, uri, prefix, uri, …} at `index`, whose strings stay there. */
static size_t read_prefixes(lua_State *L, int index, lpb_html_xml_prefix *prefixes) {
  lua_Integer n = luaL_len(L, index) / 2;
  if (n > LPB_HTML_XML_PREFIXES) n = LPB_HTML_XML_PREFIXES;
  for (lua_Integer i = 0; i < n; i++) {
    lua_rawgeti(L, index, 2 * i + 1);
    lua_rawgeti(L, index, 2 * i + 2);
    prefixes[i] = (lpb_html_xml_prefix){luaL_checkstring(L, -2), luaL_checkstring(L, -1)};
    lua_pop(L, 2);
  }
  return (size_t)n;
}

/* Queries know the caller's prefixes and, where those say nothing else, the document's. */
static bool register_prefixes(lpb_html_node_doc *doc, const lpb_html_xml *x) {
  if (!lpb_html_xpath_prepare(doc)) return false;
  for (size_t i = 0; i < x->found_count; i++)
    xmlXPathRegisterNs(doc->xpath, (const xmlChar *)x->found[i].prefix,
                       (const xmlChar *)x->found[i].uri);
  for (size_t i = 0; i < x->given_count; i++)
    xmlXPathRegisterNs(doc->xpath, (const xmlChar *)x->given[i].prefix,
                       (const xmlChar *)x->given[i].uri);
  return true;
}

/* core.parse_xml(text, prefixes, strict, base_url) -> the document's node or nil, the first
 * fault or nil, its line. */
static int html_parse_xml(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  lpb_html_xml_prefix prefixes[LPB_HTML_XML_PREFIXES];
  luaL_checktype(L, 2, LUA_TTABLE);
  lpb_html_xml x = {.given = prefixes, .given_count = read_prefixes(L, 2, prefixes)};
  x.strict = lua_toboolean(L, 3);
  lua_settop(L, 4);
  lpb_html_node_doc *doc = new_document(L);
  lua_pushvalue(L, 4);
  lua_setiuservalue(L, 5, 1);
  weigh(L, doc, text, len, "xml.parse");
  lpb_html_hush hush = lpb_html_hush_begin(be_silent, NULL);
  int code = lpb_html_xml_parse(&x, text, len);
  doc->xml = x.doc;
  if (code == 0 && x.doc && !register_prefixes(doc, &x)) code = LP_EMEMORY;
  lpb_html_hush_end(&hush);
  if (code != 0) return lp_raise_code(L, code, "xml.parse");
  if (x.doc && xmlDocGetRootElement(x.doc)) {
    lpb_html_node_push(L, 5, (xmlNode *)x.doc);
  } else {
    lua_pushnil(L);
  }
  charge_collector(L, len);
  if (!x.problem[0]) return 1;
  lua_pushstring(L, x.problem);
  lua_pushinteger(L, x.line);
  return 3;
}

/* core.base_url(node) -> what the document was parsed with, or nil. */
static int html_base_url(lua_State *L) {
  lpb_html_node_self(L, "Node:links");
  lua_getiuservalue(L, 1, 1);
  lua_getiuservalue(L, -1, 1);
  return 1;
}

/* core.check(node, method). Raises unless the method was called on a node. */
static int html_check(lua_State *L) {
  lpb_html_node_self(L, luaL_checkstring(L, 2));
  return 0;
}

static void open_document(lua_State *L) {
  luaL_newmetatable(L, DOC);
  lua_pushcfunction(L, doc_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

int luaopen_luapool_html_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"parse", html_parse},
                                       {"parse_xml", html_parse_xml},
                                       {"base_url", html_base_url},
                                       {"check", html_check},
                                       {NULL, NULL}};
  xmlInitParser();
  open_document(L);
  lpb_html_css_open(L);
  lpb_html_xpath_open(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lpb_html_css_functions, 0);
  luaL_setfuncs(L, lpb_html_xpath_functions, 0);
  luaL_setfuncs(L, lpb_html_node_functions, 0);
  lpb_html_node_open(L);
  lua_setfield(L, -2, "Node");
  return 1;
}
