/* bindings/html/tree.h: the ways from one node of a tree to another. Layer: bindings. */
#ifndef LPB_HTML_TREE_H
#define LPB_HTML_TREE_H

#include <libxml/tree.h>
#include <stdbool.h>

/* The element or the document that a node stands in; NULL for one that stands in nothing. */
xmlNode *lpb_html_tree_parent(xmlNode *node);

/* The nearest elements before and behind it, with the same parent. */
xmlNode *lpb_html_tree_prev(xmlNode *node);
xmlNode *lpb_html_tree_next(xmlNode *node);

/* The first element inside it, a child; NULL when there is none. */
xmlNode *lpb_html_tree_first(const xmlNode *node);

/* The first or the last element with the same parent. */
xmlNode *lpb_html_tree_end(xmlNode *element, bool last);

/* In the order of the document, within `root`: the next node; the next element; the next
 * element that is not inside this one. NULL at the end. */
xmlNode *lpb_html_tree_after_any(xmlNode *node, const xmlNode *root);
xmlNode *lpb_html_tree_after(xmlNode *element, const xmlNode *root);
xmlNode *lpb_html_tree_skip(xmlNode *element, const xmlNode *root);

#endif
