/* bindings/html/regex.h: the functions re:test and re:match of EXSLT for XPath queries, on
 * PCRE2.
 *
 * Patterns are Perl's, in UTF-8; those of a query are compiled once. A pattern that tries too
 * many ways through a text gives up, so that none takes exponential time. Layer: bindings. */
#ifndef LPB_HTML_REGEX_H
#define LPB_HTML_REGEX_H

#include <libxml/xpath.h>
#include <stdbool.h>

/* What one evaluation of a query uses: zeroed before it, closed behind it. The context's field
 * `extra` leads to it. */
typedef struct lpb_html_regex {
  struct lpb_html_regex_pattern *patterns;
  /* Holds the nodes that re:match returns. */
  xmlDoc *made;
  /* What is wrong with a pattern; "" while nothing is. */
  char fault[200];
  /* A pattern has given up. */
  bool late;
} lpb_html_regex;

/* Makes the functions and the prefix `re` known to a context. False: no memory. */
bool lpb_html_regex_register(xmlXPathContext *context);

/* Gives its memory back; the result of the query has been used. Safe on a zeroed struct. */
void lpb_html_regex_close(lpb_html_regex *r);

#endif
