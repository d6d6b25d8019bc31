/* bindings/html/node.h: documents and their nodes.
 *
 * A node is a pointer into its document, which it keeps alive as its user value; the document's
 * __gc gives the tree back. Layer: bindings; any process. */
#ifndef LPB_HTML_NODE_H
#define LPB_HTML_NODE_H

#include <lauxlib.h>
#include <libxml/tree.h>
#include <libxml/xpath.h>

#define LPB_HTML_NODE "luapool.html.Node"

/* A parsed document: a userdata, which each of its nodes keeps alive as its user value. */
typedef struct lpb_html_node_doc {
  /* NULL once the document has been collected. */
  xmlDoc *xml;
  /* Made at the first query. */
  xmlXPathContext *xpath;
  /* What was removed from it, and stays valid as long as the document. */
  xmlNode **removed;
  size_t removed_count;
  /* What it counts for against the ceiling of memory: an estimate. */
  size_t weight;
} lpb_html_node_doc;

/* A node: a userdata. */
typedef struct lpb_html_node {
  lpb_html_node_doc *doc;
  xmlNode *xml;
} lpb_html_node;

/* Returns the node at index 1, on which `method` was called. Raises when it is no node, and
 * when its document has been collected. */
lpb_html_node *lpb_html_node_self(lua_State *L, const char *method);

/* Pushes a node of the document whose userdata stands at stack index `doc`. */
void lpb_html_node_push(lua_State *L, int doc, xmlNode *xml);

/* Pushes what a query has found: a node for an element or the document, else a string: the text
 * of an attribute, a text, a comment, or an element that a function has made (re:match). */
void lpb_html_node_push_item(lua_State *L, int doc, xmlNode *xml);

/* Pushes a list of such. */
void lpb_html_node_push_items(lua_State *L, int doc, xmlNode *const *items, size_t count);

/* Pushes a text of libxml2 (nil for NULL) and frees it, also when pushing it raises. Returns 1.
 */
int lpb_html_node_push_text(lua_State *L, xmlChar *text);

/* Gives the tree back, and what was removed from it. Safe on a zeroed struct, safe twice. */
void lpb_html_node_close(lpb_html_node_doc *doc);

/* Functions of the module. */
extern const luaL_Reg lpb_html_node_functions[];

/* Makes the class of nodes and pushes the table of its methods, to which
 * scripts/luapool/internal/html/node.lua adds those that are written in Lua. */
void lpb_html_node_open(lua_State *L);

#endif
