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

/* A parsed document: a userdata, the user value of each of its nodes, which so keep it alive.
 */
typedef struct lpb_html_node_doc {
  xmlDoc *xml;            /* NULL once collected */
  xmlXPathContext *xpath; /* made at the first query */
} lpb_html_node_doc;

typedef struct lpb_html_node {
  lpb_html_node_doc *doc;
  xmlNode *xml;
} lpb_html_node;

/* The node at 1, which `method` was called on; raises when it is none, or its document has been
 * collected. */
lpb_html_node *lpb_html_node_self(lua_State *L, const char *method);

/* Pushes a node of the document whose userdata stands at stack index `doc`. */
void lpb_html_node_push(lua_State *L, int doc, xmlNode *xml);

/* Pushes what libxml2 gave as text (nil for NULL) and frees it, also when pushing fails.
 * Returns 1. */
int lpb_html_node_push_text(lua_State *L, xmlChar *text);

/* Methods of nodes. */
extern const luaL_Reg lpb_html_node_methods[];

/* Makes the class of nodes, without methods, and pushes it. */
void lpb_html_node_open(lua_State *L);

#endif
