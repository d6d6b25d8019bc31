/* bindings/html/html.c: luapool.html.core: HTML documents and their nodes, by libxml2.
 *
 * A node is a pointer into its document, which it keeps alive as its user value; the document's
 * __gc gives the tree back. Text comes in as valid UTF-8 (scripts/luapool/html.lua sees to
 * that). Nothing is fetched, no entity is defined by a document, and nothing is printed. Layer:
 * bindings; any process. */
#include "bindings/html/html.h"

#include <lauxlib.h>
#include <libxml/HTMLparser.h>
#include <libxml/HTMLtree.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <stdbool.h>

#include "bindings/bindings.h"
#include "runtime/loop/raise.h"

static const char DOC[] = "luapool.html.Document";

enum {
  OPTIONS = HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
            HTML_PARSE_NODEFDTD | HTML_PARSE_IGNORE_ENC
};

lpb_html_node *lpb_html_check(lua_State *L, int index) {
  lpb_html_node *node = luaL_checkudata(L, index, LP_HTML_NODE);
  luaL_argcheck(L, node->doc->xml, index, "the document has been collected");
  return node;
}

void lpb_html_push(lua_State *L, int doc, xmlNode *xml) {
  lpb_html_node *node = lua_newuserdatauv(L, sizeof *node, 1);
  node->doc = lua_touserdata(L, doc);
  node->xml = xml;
  lua_pushvalue(L, doc);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, LP_HTML_NODE);
}

static int push_text_protected(lua_State *L) {
  lua_pushstring(L, lua_touserdata(L, 1));
  return 1;
}

int lpb_html_push_text(lua_State *L, xmlChar *text) {
  lua_pushcfunction(L, push_text_protected);
  lua_pushlightuserdata(L, text);
  int status = lua_pcall(L, 1, 1, 0);
  xmlFree(text);
  return status == LUA_OK ? 1 : lua_error(L);
}

static int doc_gc(lua_State *L) {
  lpb_html_doc *doc = lua_touserdata(L, 1);
  xmlXPathFreeContext(doc->xpath);
  xmlFreeDoc(doc->xml);
  doc->xpath = NULL;
  doc->xml = NULL;
  return 0;
}

/* Never NULL but for want of memory. XML_PARSE_HUGE lifts the limits on depth (256) and text
 * (10 MB): without it such a document would be cut off there. */
static xmlDoc *parse(const char *text, int len) {
  htmlParserCtxt *ctxt = len > 0 ? htmlCreateMemoryParserCtxt(text, len) : NULL;
  if (!ctxt) return htmlNewDocNoDtD(NULL, NULL);
  htmlCtxtUseOptions(ctxt, OPTIONS);
  ctxt->options |= XML_PARSE_HUGE;
  xmlSwitchEncoding(ctxt, XML_CHAR_ENCODING_UTF8);
  htmlParseDocument(ctxt);
  xmlDoc *doc = ctxt->myDoc;
  ctxt->myDoc = NULL;
  htmlFreeParserCtxt(ctxt);
  return doc ? doc : htmlNewDocNoDtD(NULL, NULL);
}

/* The collector does not see trees: it works as if one were Lua memory, about TREE times its
 * text, so that dropped documents do not pile up. */
static void charge_collector(lua_State *L, size_t len) {
  enum { TREE = 8 };
  if (lua_gc(L, LUA_GCISRUNNING)) lua_gc(L, LUA_GCSTEP, (int)(len / 1024 * TREE + 1));
}

/* core.parse(text [, base_url]) -> the document's node. */
static int html_parse(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  if (len > INT_MAX) return lp_raise(L, "too_large", "html.parse: the text is too large");
  lua_settop(L, 2);
  lpb_html_doc *doc = lua_newuserdatauv(L, sizeof *doc, 1);
  *doc = (lpb_html_doc){0};
  luaL_setmetatable(L, DOC);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, 1);
  doc->xml = parse(text, (int)len);
  if (!doc->xml) return lp_raise(L, "memory", "html.parse: not enough memory");
  lpb_html_push(L, 3, (xmlNode *)doc->xml);
  charge_collector(L, len);
  return 1;
}

/* node:text() -> all text inside it, as it stands. */
static int node_text(lua_State *L) {
  return lpb_html_push_text(L, xmlNodeGetContent(lpb_html_check(L, 1)->xml));
}

/* node:attr(name) -> its text, or nil; an attribute without a value is "". */
static int node_attr(lua_State *L) {
  lpb_html_node *node = lpb_html_check(L, 1);
  const xmlChar *name = (const xmlChar *)luaL_checkstring(L, 2);
  if (node->xml->type != XML_ELEMENT_NODE || !xmlHasProp(node->xml, name)) return 0;
  return lpb_html_push_text(L, xmlGetProp(node->xml, name));
}

/* node:name() -> "img", or "#document". */
static int node_name(lua_State *L) {
  lpb_html_node *node = lpb_html_check(L, 1);
  bool element = node->xml->type == XML_ELEMENT_NODE;
  lua_pushstring(L, element ? (const char *)node->xml->name : "#document");
  return 1;
}

/* tostring(node) -> its markup. */
static int node_tostring(lua_State *L) {
  lpb_html_node *node = lpb_html_check(L, 1);
  xmlBuffer *buffer = xmlBufferCreate();
  if (!buffer || htmlNodeDump(buffer, node->doc->xml, node->xml) < 0) {
    xmlBufferFree(buffer);
    return lp_raise(L, "memory", "not enough memory");
  }
  xmlChar *text = xmlBufferDetach(buffer);
  xmlBufferFree(buffer);
  return lpb_html_push_text(L, text);
}

/* Two nodes are equal when they are the same place of the same document. */
static int node_eq(lua_State *L) {
  lpb_html_node *a = luaL_testudata(L, 1, LP_HTML_NODE),
                *b = luaL_testudata(L, 2, LP_HTML_NODE);
  lua_pushboolean(L, a && b && a->xml == b->xml);
  return 1;
}

/* node:document() -> the document's node. */
static int node_document(lua_State *L) {
  lpb_html_node *node = lpb_html_check(L, 1);
  lua_getiuservalue(L, 1, 1);
  lpb_html_push(L, lua_gettop(L), (xmlNode *)node->doc->xml);
  return 1;
}

/* core.base_url(node) -> what the document was parsed with, or nil. */
static int html_base_url(lua_State *L) {
  lpb_html_check(L, 1);
  lua_getiuservalue(L, 1, 1);
  lua_getiuservalue(L, -1, 1);
  return 1;
}

/* The class of nodes, to which scripts/luapool/html.lua adds the methods that are written in
 * Lua. */
static void new_classes(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"text", node_text},         {"attr", node_attr},       {"name", node_name},
      {"document", node_document}, {"xpath", lpb_html_xpath}, {NULL, NULL},
  };
  luaL_newmetatable(L, DOC);
  lua_pushcfunction(L, doc_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newmetatable(L, LP_HTML_NODE);
  lua_pushcfunction(L, node_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushcfunction(L, node_eq);
  lua_setfield(L, -2, "__eq");
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__index");
  lua_remove(L, -2);
}

int luaopen_luapool_html_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"parse", html_parse},
      {"base_url", html_base_url},
      {"to_utf8", lpb_html_to_utf8},
      {NULL, NULL},
  };
  xmlInitParser();
  luaL_newlib(L, functions);
  new_classes(L);
  lua_setfield(L, -2, "Node");
  return 1;
}
