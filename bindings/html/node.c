/* bindings/html/node.c: what a script asks of a node: its text, attributes, name and markup.
 * Layer: bindings; any process. */
#include "bindings/html/node.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bindings/html/attribute.h"
#include "bindings/html/serialize.h"
#include "bindings/html/tree.h"
#include "runtime/base/alloc.h"
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

/* core.text(node) -> all text inside it. */
static int html_text(lua_State *L) {
  return lpb_html_node_push_text(L, xmlNodeGetContent(lpb_html_node_self(L, "Node:text")->xml));
}

/* The white space at the start of a text: that of HTML, and the no-break space. */
static size_t blank_at_start(const char *text, size_t n) {
  size_t i = 0;
  while (i < n) {
    if (strchr(" \t\n\r\f", text[i])) {
      i++;
    } else if (n - i > 1 && text[i] == '\xC2' && text[i + 1] == '\xA0') {
      i += 2;
    } else {
      break;
    }
  }
  return i;
}

static size_t blank_at_end(const char *text, size_t n) {
  size_t end = n;
  while (end > 0) {
    if (strchr(" \t\n\r\f", text[end - 1])) {
      end--;
    } else if (end > 1 && text[end - 2] == '\xC2' && text[end - 1] == '\xA0') {
      end -= 2;
    } else {
      break;
    }
  }
  return n - end;
}

/* core.trim(text) -> the text without white space around it. */
static int html_trim(lua_State *L) {
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  size_t start = blank_at_start(text, n);
  lua_pushlstring(L, text + start, n - start - blank_at_end(text + start, n - start));
  return 1;
}

/* core.pieces(node, separator, trim) -> the texts inside it with that between them; with `trim`
 * each without white space around it, and none that is empty. */
static int html_pieces(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:text");
  size_t separator_length;
  const char *separator = luaL_checklstring(L, 2, &separator_length);
  bool trim = lua_toboolean(L, 3), first = true;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (xmlNode *n = lpb_html_tree_after_any(node->xml, node->xml); n;
       n = lpb_html_tree_after_any(n, node->xml)) {
    bool is_text = n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE;
    if (!is_text || !n->content) continue;
    const char *text = (const char *)n->content;
    size_t length = strlen(text), start = trim ? blank_at_start(text, length) : 0;
    if (trim && start == length) continue;
    if (!first) luaL_addlstring(&b, separator, separator_length);
    first = false;
    length -= start + (trim ? blank_at_end(text + start, length - start) : 0);
    luaL_addlstring(&b, text + start, length);
  }
  luaL_pushresult(&b);
  return 1;
}

static void push_value(lua_State *L, const xmlAttr *a) {
  const xmlNode *n = a->children;
  if (!n) {
    lua_pushliteral(L, "");
  } else if (!n->next && n->type == XML_TEXT_NODE) {
    lua_pushstring(L, (const char *)n->content);
  } else {
    lpb_html_node_push_text(L, xmlNodeListGetString(a->doc, n, 1));
  }
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
  const char *name = lp_usage_string(L, 2, "Node:attr", NULL);
  const xmlAttr *a =
      lpb_html_attribute_find(node->xml, &(lpb_html_selector_name){"", name, name});
  if (!a) a = lpb_html_attribute_find(node->xml, &(lpb_html_selector_name){NULL, name, name});
  if (a)
    push_value(L, a);
  else
    lua_pushnil(L);
  return 1;
}

/* Returns all attributes of the node by their names.
 *
 * ```lua
 * local attrs = html.parse("<img src=a.png hidden>"):first("img"):attrs()
 * print(attrs.src, attrs.hidden == "", attrs.alt) --> a.png true nil
 * ```
 * @function Node:attrs
 * @return table<string, string> */
static int node_attrs(lua_State *L) {
  const xmlNode *xml = lpb_html_node_self(L, "Node:attrs")->xml;
  lua_newtable(L);
  const xmlAttr *a = xml->type == XML_ELEMENT_NODE ? xml->properties : NULL;
  for (; a; a = a->next) {
    if (a->ns && a->ns->prefix)
      lua_pushfstring(L, "%s:%s", (const char *)a->ns->prefix, (const char *)a->name);
    else
      lua_pushstring(L, (const char *)a->name);
    push_value(L, a);
    lua_rawset(L, -3);
  }
  return 1;
}

/* Returns the elements that stand directly in the node.
 *
 * ```lua
 * local list = html.parse("<ul><li>1<li>2 <b>x</b></ul>"):first "ul"
 * print(#list:children(), list:children()[2]:name()) --> 2 li
 * ```
 * @function Node:children
 * @return luapool.html.Node[] */
static int node_children(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:children");
  lua_getiuservalue(L, 1, 1);
  int doc = lua_gettop(L);
  lua_newtable(L);
  lua_Integer i = 0;
  for (xmlNode *n = lpb_html_tree_first(node->xml); n; n = lpb_html_tree_next(n)) {
    lpb_html_node_push(L, doc, n);
    lua_rawseti(L, -2, ++i);
  }
  return 1;
}

/* Takes the node, with all that is inside, out of its document. It stays usable, and so does
 * what was found inside it; only nothing stands around it any more. Its memory is given back
 * with that of the document.
 *
 * ```lua
 * local page = html.parse "<p>text <script>code()</script></p>"
 * local script = page:first("script"):remove()
 * print(page:first("p"):text(), script:text(), script.parent) --> text  code() nil
 * ```
 * @function Node:remove
 * @return luapool.html.Node itself */
static int node_remove(lua_State *L) {
  lpb_html_node *node = lpb_html_node_self(L, "Node:remove");
  lpb_html_node_doc *doc = node->doc;
  lua_settop(L, 1);
  if (node->xml->type != XML_ELEMENT_NODE)
    lp_usage_raise(L, "Node:remove", "a document cannot be taken out of itself");
  if (!node->xml->parent) return 1;
  if ((doc->removed_count & (doc->removed_count - 1)) == 0) { /* 0 or a power of two: full */
    size_t size = doc->removed_count ? 2 * doc->removed_count : 1;
    xmlNode **wider = lp_alloc_resize(doc->removed, size * sizeof *wider);
    if (!wider) return lp_raise(L, "memory", "not enough memory");
    doc->removed = wider;
  }
  xmlUnlinkNode(node->xml);
  doc->removed[doc->removed_count++] = node->xml;
  return 1;
}

void lpb_html_node_close(lpb_html_node_doc *doc) {
  xmlXPathFreeContext(doc->xpath);
  for (size_t i = 0; i < doc->removed_count; i++) xmlFreeNode(doc->removed[i]);
  lp_alloc_free(doc->removed);
  xmlFreeDoc(doc->xml);
  *doc = (lpb_html_node_doc){0};
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

/* Returns the markup of the node, its own tags among it: what a browser calls outerHTML. Of a
 * document it is the whole page.
 *
 * ```lua
 * print(html.parse("<p>one <b>two<br></b>"):first("b"):html()) --> <b>two<br></b>
 * ```
 * @function Node:html
 * @return string */
static int node_html(lua_State *L) {
  lpb_html_serialize_push(L, lpb_html_node_self(L, "Node:html")->xml, true, SIZE_MAX);
  return 1;
}

/* Returns the markup of what is inside the node: what a browser calls innerHTML.
 *
 * ```lua
 * print(html.parse("<p>one <b>two<br></b>"):first("b"):inner()) --> two<br>
 * ```
 * @function Node:inner
 * @return string */
static int node_inner(lua_State *L) {
  lpb_html_serialize_push(L, lpb_html_node_self(L, "Node:inner")->xml, false, SIZE_MAX);
  return 1;
}

/* tostring(node) -> its markup, cut where it is long. */
static int node_tostring(lua_State *L) {
  enum { MOST = 200 };
  lpb_html_node *node = lpb_html_node_self(L, "tostring");
  if (lpb_html_serialize_push(L, node->xml, true, MOST)) return 1;
  const char *text = lua_tostring(L, -1);
  size_t n = MOST;
  while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80) n--;
  lua_pushlstring(L, text, n);
  lua_pushliteral(L, "…");
  lua_concat(L, 2);
  return 1;
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

/* node.parent, node.next, node.prev, and the methods: the upvalue. */
static int node_index(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
  lpb_html_node *node = luaL_testudata(L, 1, LPB_HTML_NODE);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  xmlNode *other = NULL;
  if (!node || !node->doc->xml) return 1;
  if (strcmp(name, "parent") == 0) {
    other = lpb_html_tree_parent(node->xml);
  } else if (strcmp(name, "next") == 0) {
    other = lpb_html_tree_next(node->xml);
  } else if (strcmp(name, "prev") == 0) {
    other = lpb_html_tree_prev(node->xml);
  }
  if (!other) return 1;
  lua_getiuservalue(L, 1, 1);
  lpb_html_node_push(L, lua_gettop(L), other);
  return 1;
}

/* A node that is called is itself, so that node:parent() is node.parent. */
static int node_call(lua_State *L) {
  lua_settop(L, 1);
  return 1;
}

const luaL_Reg lpb_html_node_functions[] = {
    {"text", html_text}, {"trim", html_trim}, {"pieces", html_pieces}, {NULL, NULL}};

void lpb_html_node_open(lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__tostring", node_tostring}, {"__eq", node_eq}, {"__call", node_call}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"attr", node_attr},         {"attrs", node_attrs},   {"children", node_children},
      {"document", node_document}, {"html", node_html},     {"inner", node_inner},
      {"name", node_name},         {"remove", node_remove}, {NULL, NULL}};
  luaL_newmetatable(L, LPB_HTML_NODE);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_pushvalue(L, -1);
  lua_pushcclosure(L, node_index, 1);
  lua_setfield(L, -3, "__index");
  lua_remove(L, -2);
}
