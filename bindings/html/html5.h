/* bindings/html/html5.h: HTML to the tree of a browser, by Gumbo. Layer: bindings. */
#ifndef LPB_HTML_HTML5_H
#define LPB_HTML_HTML5_H

#include <libxml/tree.h>
#include <stddef.h>

/* Parses a page in UTF-8 without zero bytes. Sets `*doc`, which is the caller's. Returns 0,
 * LP_EMEMORY, or LP_ETOO_LARGE for a page that was made to take the parser more time or memory
 * than its length explains. */
int lpb_html_html5_parse(const char *text, size_t len, xmlDoc **doc);

#endif
