/* bindings/html/open.c: luapool.html.core: HTML documents and their nodes, by libxml2.
 *
 * Text comes in as valid UTF-8 (scripts/luapool/html.lua sees to that). Nothing is fetched, no
 * entity is defined by a document, and nothing is printed. Layer: bindings; any process. */
#include <libxml/parser.h>
#include <libxml/xmlerror.h>
#include <stdbool.h>

#include "bindings/bindings.h"
#include "bindings/html/css.h"
#include "bindings/html/fast.h"
#include "bindings/html/html5.h"
#include "bindings/html/node.h"
#include "bindings/html/xpath.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"

static const char DOC[] = "luapool.html.Document";

static int doc_gc(lua_State *L) {
  lpb_html_node_close(lua_touserdata(L, 1));
  return 0;
}

/* The collector does not see trees: it works as if one were Lua memory, about TREE times its
 * text, so that dropped documents do not pile up. */
static void charge_collector(lua_State *L, size_t len) {
  enum { TREE = 8 };
  if (lua_gc(L, LUA_GCISRUNNING)) lua_gc(L, LUA_GCSTEP, (int)(len / 1024 * TREE + 1));
}

/* core.parse(text [, base_url [, parser]]) -> the document's node. The parser is "html" (the
 * default) or "html5". */
static int html_parse(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  static const char *const parsers[] = {"html", "html5", NULL};
  bool html5 = luaL_checkoption(L, 3, "html", parsers) == 1;
  lua_settop(L, 2);
  lpb_html_node_doc *doc = lua_newuserdatauv(L, sizeof *doc, 1);
  *doc = (lpb_html_node_doc){0};
  luaL_setmetatable(L, DOC);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 3, 1);
  int code = html5 ? lpb_html_html5_parse(text, len, &doc->xml)
                   : lpb_html_fast_parse(text, len, &doc->xml);
  if (code == LP_ETOO_LARGE && html5)
    return lp_raise(L, "too_large",
                    "html.parse: made to keep the parser busy: its length does "
                    "not explain the time or memory that it takes");
  if (code != 0) return lp_raise_code(L, code, "html.parse");
  lpb_html_node_push(L, 3, (xmlNode *)doc->xml);
  charge_collector(L, len);
  return 1;
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

/* What libxml2 would print. */
static void be_silent(void *data, const char *format, ...) {
  (void)data;
  (void)format;
}

static void open_document(lua_State *L) {
  luaL_newmetatable(L, DOC);
  lua_pushcfunction(L, doc_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
}

int luaopen_luapool_html_core(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"parse", html_parse}, {"base_url", html_base_url}, {"check", html_check}, {NULL, NULL}};
  xmlInitParser();
  xmlSetGenericErrorFunc(NULL, be_silent);
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
