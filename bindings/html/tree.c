/* bindings/html/tree.c: nothing here recurses: a page may be as deep as it likes. Layer:
 * bindings. */
#include "bindings/html/tree.h"

xmlNode *lpb_html_tree_parent(xmlNode *node) {
  return node->parent;
}

/* The nearest element from here on; what a text refers to (an entity) is no part of the tree.
 */
static xmlNode *element_from(xmlNode *node, bool backward) {
  while (node && node->type != XML_ELEMENT_NODE) node = backward ? node->prev : node->next;
  return node;
}

xmlNode *lpb_html_tree_prev(xmlNode *node) {
  return element_from(node->prev, true);
}

xmlNode *lpb_html_tree_next(xmlNode *node) {
  return element_from(node->next, false);
}

static bool holds_nodes(const xmlNode *node) {
  return node->type == XML_ELEMENT_NODE || node->type == XML_DOCUMENT_NODE ||
         node->type == XML_HTML_DOCUMENT_NODE;
}

xmlNode *lpb_html_tree_first(const xmlNode *node) {
  return holds_nodes(node) ? element_from(node->children, false) : NULL;
}

xmlNode *lpb_html_tree_end(xmlNode *element, bool last) {
  if (!element->parent) return element;
  const xmlNode *parent = element->parent;
  return element_from(last ? parent->last : parent->children, last);
}

xmlNode *lpb_html_tree_after_any(xmlNode *node, const xmlNode *root) {
  if (holds_nodes(node) && node->children) return node->children;
  while (node != root && !node->next) node = node->parent;
  return node == root ? NULL : node->next;
}

xmlNode *lpb_html_tree_skip(xmlNode *element, const xmlNode *root) {
  while (element != root) {
    xmlNode *next = lpb_html_tree_next(element);
    if (next) return next;
    element = element->parent;
  }
  return NULL;
}

xmlNode *lpb_html_tree_after(xmlNode *element, const xmlNode *root) {
  xmlNode *first = lpb_html_tree_first(element);
  return first ? first : lpb_html_tree_skip(element, root);
}
