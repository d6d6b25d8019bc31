/* bindings/html/prepare.h: markup is made ready for a parser that knows less than HTML5 or
 * takes too long over some of it. Layer: bindings. */
#ifndef LPB_HTML_PREPARE_H
#define LPB_HTML_PREPARE_H

#include "runtime/base/buf.h"

/* Which parser the markup is for. */
typedef enum lpb_html_prepare_for {
  /* libxml2's for HTML: it gets all references decoded, elements that are always empty closed,
   * and only attributes whose names it can read. */
  LPB_HTML_PREPARE_LIBXML,
  /* Gumbo: it gets no more than so many elements in each other. */
  LPB_HTML_PREPARE_GUMBO,
  /* libxml2's for XML: it gets no document type, so no entities and no attributes of one, and
   * all references decoded, those of HTML, too; "&" that begins none means itself. */
  LPB_HTML_PREPARE_XML,
  /* The same, with references as they stand. */
  LPB_HTML_PREPARE_STRICT_XML,
} lpb_html_prepare_for;

enum {
  /* A tag keeps so many attributes; parsers compare each with all before it. */
  LPB_HTML_PREPARE_ATTRIBUTES = 256,
  /* How deep elements nest. What would stand deeper stands beside what it would stand in, as in
   * browsers, which have the same limit. */
  LPB_HTML_PREPARE_DEPTH = 512,
};

/* Rewrites the markup into `out`. Leaves `out` empty when nothing has to be rewritten. Returns
 * 0 or LP_EMEMORY. */
int lpb_html_prepare(const char *text, size_t len, lpb_html_prepare_for parser, lp_buf *out);

#endif
