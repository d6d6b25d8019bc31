/* bindings/html/html.h: what the files of luapool.html share. Layer: bindings. */
#ifndef LP_BINDINGS_HTML_HTML_H
#define LP_BINDINGS_HTML_HTML_H

#include <libxml/tree.h>
#include <libxml/xpath.h>
#include <lua.h>

#define LP_HTML_NODE "luapool.html.Node"

/* A parsed document: a userdata, the user value of each of its nodes, which so keep it alive.
 */
typedef struct lpb_html_doc {
  xmlDoc *xml;            /* NULL once collected */
  xmlXPathContext *xpath; /* made at the first query */
} lpb_html_doc;

typedef struct lpb_html_node {
  lpb_html_doc *doc;
  xmlNode *xml;
} lpb_html_node;

/* The node at `index`; raises when it is none, or its document has been collected. */
lpb_html_node *lpb_html_check(lua_State *L, int index);

/* Pushes a node of the document whose userdata stands at stack index `doc`. */
void lpb_html_push(lua_State *L, int doc, xmlNode *xml);

/* Pushes what libxml2 gave as text (nil for NULL) and frees it, also when pushing fails.
 * Returns 1. */
int lpb_html_push_text(lua_State *L, xmlChar *text);

/* node:xpath(query) -> list of nodes and strings, or a string, number or boolean. */
int lpb_html_xpath(lua_State *L);

/* core.to_utf8(text, charset) -> text, or nil for an unknown charset. Bytes that are none of
 * the charset's come out as U+FFFD. */
int lpb_html_to_utf8(lua_State *L);

#endif
