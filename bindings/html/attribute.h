/* bindings/html/attribute.h: the names and attributes of elements, and what selectors ask of
 * them. Layer: bindings. */
#ifndef LPB_HTML_ATTRIBUTE_H
#define LPB_HTML_ATTRIBUTE_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

#include "bindings/html/selector.h"

/* The value of an attribute. */
typedef struct lpb_html_attribute_text {
  const char *bytes;
  /* Set when the bytes had to be put together: lpb_html_attribute_done frees them. */
  xmlChar *owned;
} lpb_html_attribute_text;

/* Is this the name of a node in that namespace? `html`: the document has its names in lower
 * case, and prefixes in its names. */
bool lpb_html_attribute_names(const lpb_html_selector_name *name, const xmlNs *space,
                              const char *local, bool html);

/* The attribute of that name of a node, or NULL. */
xmlAttr *lpb_html_attribute_find(const xmlNode *node, const lpb_html_selector_name *name);

/* Its value, without a copy where possible. */
lpb_html_attribute_text lpb_html_attribute_read(const xmlAttr *attribute);

void lpb_html_attribute_done(lpb_html_attribute_text *text);

/* Does a test of an id, a class or an attribute hold of an element? */
bool lpb_html_attribute_fits(const lpb_html_selector_test *test, const xmlNode *element);

#endif
