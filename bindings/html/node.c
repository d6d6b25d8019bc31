/* bindings/html/node.c: what a script asks of a node: its text, attributes, name and markup.
 * Layer: bindings; any process. */
#include "bindings/html/node.h"

#include <libxml/HTMLtree.h>
#include <stdbool.h>

#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

lpb_html_node *lpb_html_node_self(lua_State *L, const char *method) {
  lpb_html_node *node = luaL_testudata(L, 1, LPB_HTML_NODE);
  if (!node) lp_usage_self(L, method, LPB_HTML_NODE);
  if (!node->doc->xml) lp_usage_raise(L, method, "the document has been collected");
  return node;
}

void lpb_html_node_push(lua_State *L, int doc, xmlNode *xml) {
  lpb_html_node *node = lua_newuserdatauv(L, sizeof *node, 1);
  node->doc = lua_touserdata(L, doc);
  node->xml = xml;
  lua_pushvalue(L, doc);
  lua_setiuservalue(L, -2, 1);
  luaL_setmetatable(L, LPB_HTML_NODE);
}

static int push_text_protected(lua_State *L) {
  lua_pushstring(L, lua_touserdata(L, 1));
  return 1;
}

int lpb_html_node_push_text(lua_State *L, xmlChar *text) {
  lua_pushcfunction(L, push_text_protected);
  lua_pushlightuserdata(L, text);
  int status = lua_pcall(L, 1, 1, 0);
  xmlFree(text);
  return status == LUA_OK ? 1 : lua_error(L);
}

void lpb_html_node_push_item(lua_State *L, int doc, xmlNode *xml) {
  const lpb_html_node_doc *own = lua_touserdata(L, doc);
  switch (xml->type) {
  case XML_ELEMENT_NODE:
  case XML_DOCUMENT_NODE:
  case XML_HTML_DOCUMENT_NODE:
    if (xml->doc == own->xml)
      lpb_html_node_push(L, doc, xml);
    else
      lpb_html_node_push_text(L, xmlNodeGetContent(xml));
    break;
  case XML_NAMESPACE_DECL: lua_pushstring(L, (const char *)((xmlNs *)xml)->href); break;
  default: lpb_html_node_push_text(L, xmlNodeGetContent(xml));
  }
}

void lpb_html_node_push_items(lua_State *L, int doc, xmlNode *const *items, size_t count) {
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lpb_html_node_push_item(L, doc, items[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* Returns all text inside the node, as it stands.
 *
 * ```lua
 * print(html.parse("<p>one <b>two</b></p>"):first("p"):text()) --> one two
 * ```
 * @function Node:text
 * @return string */
static int node_text(lua_State *L) {
  return lpb_html_node_push_text(L, xmlNodeGetContent(lpb_html_node_self(L, "Node:text")->xml));
}

/* Returns an attribute, or nil; "" for one without a value.
 *
 * ```lua
 * local img = html.parse("<img src=a.png hidden>"):first "img"
 * print(img:attr "src", img:attr "hidden" == "", img:attr "alt") --> a.png true nil
 * ```
 * @function Node:attr
 * @param name string
 * @return string? */
static int node_attr(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:attr");
  const xmlChar *name = (const xmlChar *)lp_usage_string(L, 2, "Node:attr", NULL);
  if (node->xml->type == XML_ELEMENT_NODE && xmlHasProp(node->xml, name))
    return lpb_html_node_push_text(L, xmlGetProp(node->xml, name));
  lua_pushnil(L);
  return 1;
}

/* Returns the name of the element, "img"; "#document" for what `html.parse` returned.
 *
 * ```lua
 * local page = html.parse "<IMG>"
 * print(page:name(), page:first("img"):name()) --> #document img
 * ```
 * @function Node:name
 * @return string */
static int node_name(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:name");
  bool element = node->xml->type == XML_ELEMENT_NODE;
  lua_pushstring(L, element ? (const char *)node->xml->name : "#document");
  return 1;
}

/* tostring(node) -> its markup. */
static int node_tostring(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "tostring");
  xmlBuffer *buffer = xmlBufferCreate();
  if (!buffer || htmlNodeDump(buffer, node->doc->xml, node->xml) < 0) {
    xmlBufferFree(buffer);
    return lp_raise(L, "memory", "not enough memory");
  }
  xmlChar *text = xmlBufferDetach(buffer);
  xmlBufferFree(buffer);
  return lpb_html_node_push_text(L, text);
}

/* Two nodes are equal when they are the same place of the same document. */
static int node_eq(lua_State *L) {
  lpb_html_node *a = luaL_testudata(L, 1, LPB_HTML_NODE),
                *b = luaL_testudata(L, 2, LPB_HTML_NODE);
  lua_pushboolean(L, a && b && a->xml == b->xml);
  return 1;
}

/* Returns the node of the whole document.
 *
 * ```lua
 * local page = html.parse "<p>"
 * print(page:first("p"):document() == page) --> true
 * ```
 * @function Node:document
 * @return luapool.html.Node */
static int node_document(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:document");
  lua_getiuservalue(L, 1, 1);
  lpb_html_node_push(L, lua_gettop(L), (xmlNode *)node->doc->xml);
  return 1;
}

const luaL_Reg lpb_html_node_methods[] = {{"text", node_text},
                                          {"attr", node_attr},
                                          {"name", node_name},
                                          {"document", node_document},
                                          {NULL, NULL}};

void lpb_html_node_open(lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__tostring", node_tostring}, {"__eq", node_eq}, {NULL, NULL}};
  luaL_newmetatable(L, LPB_HTML_NODE);
  luaL_setfuncs(L, meta, 0);
}
