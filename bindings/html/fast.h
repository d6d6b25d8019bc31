/* bindings/html/fast.h: HTML to a tree, by libxml2's parser. Layer: bindings. */
#ifndef LPB_HTML_FAST_H
#define LPB_HTML_FAST_H

#include <libxml/tree.h>
#include <stddef.h>

/* Parses a page in UTF-8 without zero bytes. Sets `*doc`, which is the caller's. Returns 0,
 * LP_EMEMORY or LP_ETOO_LARGE. */
int lpb_html_fast_parse(const char *text, size_t len, xmlDoc **doc);

#endif
