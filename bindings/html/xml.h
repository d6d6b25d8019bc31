/* bindings/html/xml.h: XML to a tree, by libxml2. Layer: bindings. */
#ifndef LPB_HTML_XML_H
#define LPB_HTML_XML_H

#include <libxml/tree.h>
#include <stdbool.h>
#include <stddef.h>

enum { LPB_HTML_XML_PREFIXES = 64, LPB_HTML_XML_PROBLEM = 240 };

/* A prefix of namespaces and what it stands for. */
typedef struct lpb_html_xml_prefix {
  const char *prefix, *uri;
} lpb_html_xml_prefix;

typedef struct lpb_html_xml {
  /* The caller's prefixes. When there are none, elements without a prefix are in no namespace,
   * whatever xmlns says, so that queries find them by their plain names. */
  const lpb_html_xml_prefix *given;
  size_t given_count;
  /* Stop at the first fault; else libxml2 makes what it can of the rest. */
  bool strict;
  /* Made by lpb_html_xml_parse: the tree, which is the caller's; NULL when there is none. */
  xmlDoc *doc;
  /* The first fault: its line, and what it is; "" when there is none. */
  int line;
  char problem[LPB_HTML_XML_PROBLEM];
  /* The prefixes that the document declares, each with its first meaning; texts of the tree. */
  lpb_html_xml_prefix found[LPB_HTML_XML_PREFIXES];
  size_t found_count;
} lpb_html_xml;

/* Parses XML in UTF-8 without zero bytes. Returns 0, LP_EMEMORY or LP_ETOO_LARGE. */
int lpb_html_xml_parse(lpb_html_xml *x, const char *text, size_t len);

#endif
