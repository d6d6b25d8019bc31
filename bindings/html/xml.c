/* bindings/html/xml.c: XML to a tree, by libxml2.
 *
 * The text decides over nothing but its elements: prepare.c leaves its document type out, so it
 * has no entities of its own, and nothing is fetched. The limit on depth is that of pages; what
 * is deeper is a fault, behind which the document ends. Layer: bindings; any process. */
#include "bindings/html/xml.h"

#include <libxml/SAX2.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "bindings/html/prepare.h"
#include "runtime/base/error.h"

enum {
  OPTIONS = XML_PARSE_NONET | XML_PARSE_HUGE | XML_PARSE_COMPACT | XML_PARSE_NOCDATA |
            XML_PARSE_IGNORE_ENC
};

static void note(lpb_html_xml *x, int line, const char *problem) {
  if (x->problem[0]) return;
  x->line = line;
  snprintf(x->problem, sizeof x->problem, "%s", problem);
  x->problem[strcspn(x->problem, "\n")] = '\0';
}

/* libxml2 calls this at each fault. */
static void on_error(void *data, xmlError *error) {
  xmlParserCtxt *ctxt = data;
  lpb_html_xml *x = ctxt->_private;
  if (error->level < XML_ERR_ERROR) return;
  note(x, error->line, error->message ? error->message : "not well-formed");
  if (x->strict) xmlStopParser(ctxt);
}

/* The caller's prefix of a namespace, or NULL. */
static const char *given_prefix(const lpb_html_xml *x, const xmlChar *uri) {
  for (size_t i = 0; uri && i < x->given_count; i++)
    if (strcmp(x->given[i].uri, (const char *)uri) == 0) return x->given[i].prefix;
  return NULL;
}

static void remember_prefix(lpb_html_xml *x, const xmlChar *prefix, const xmlChar *uri) {
  if (!prefix || !uri || x->found_count == LPB_HTML_XML_PREFIXES) return;
  for (size_t i = 0; i < x->found_count; i++)
    if (strcmp(x->found[i].prefix, (const char *)prefix) == 0) return;
  x->found[x->found_count++] = (lpb_html_xml_prefix){(const char *)prefix, (const char *)uri};
}

/* libxml2 calls this at each start tag. Selectors know a namespace by the caller's prefix,
 * which the tree keeps beside that of the document. */
static void start_element(void *data, const xmlChar *name, const xmlChar *prefix,
                          const xmlChar *uri, int space_count, const xmlChar **spaces,
                          int count, int defaulted, const xmlChar **attributes) {
  xmlParserCtxt *ctxt = data;
  lpb_html_xml *x = ctxt->_private;
  if (ctxt->nodeNr >= LPB_HTML_PREPARE_DEPTH) {
    note(x, xmlSAX2GetLineNumber(ctxt), "nested deeper than 512 elements");
    xmlStopParser(ctxt);
    return;
  }
  if (!prefix && x->given_count == 0) uri = NULL;
  xmlSAX2StartElementNs(ctxt, name, prefix, uri, space_count, spaces, count - defaulted, 0,
                        attributes);
  if (!ctxt->node) return;
  for (int i = 0; i < space_count; i++) remember_prefix(x, spaces[2 * i], spaces[2 * i + 1]);
  for (xmlNs *ns = ctxt->node->nsDef; ns; ns = ns->next) {
    const char *given = given_prefix(x, ns->href);
    if (given) ns->_private = (void *)xmlDictLookup(ctxt->dict, (const xmlChar *)given, -1);
  }
}

/* Declarations count for nothing, should the parser see a document type where the pass before
 * it saw none. */
static void set_callbacks(xmlSAXHandler *sax) {
  sax->serror = on_error;
  sax->startElementNs = start_element;
  sax->internalSubset = NULL;
  sax->externalSubset = NULL;
  sax->entityDecl = NULL;
  sax->attributeDecl = NULL;
  sax->elementDecl = NULL;
  sax->notationDecl = NULL;
  sax->unparsedEntityDecl = NULL;
  sax->getEntity = NULL;
  sax->getParameterEntity = NULL;
}

static int parse(lpb_html_xml *x, const char *text, int len) {
  xmlParserCtxt *ctxt = xmlNewParserCtxt();
  if (!ctxt) return LP_EMEMORY;
  xmlCtxtUseOptions(ctxt, OPTIONS | (x->strict ? 0 : XML_PARSE_RECOVER));
  ctxt->_private = x;
  set_callbacks(ctxt->sax);
  x->doc = xmlCtxtReadMemory(ctxt, text, len, NULL, "UTF-8",
                             OPTIONS | (x->strict ? 0 : XML_PARSE_RECOVER));
  bool no_memory = ctxt->errNo == XML_ERR_NO_MEMORY;
  xmlFreeParserCtxt(ctxt);
  return no_memory ? LP_EMEMORY : 0;
}

int lpb_html_xml_parse(lpb_html_xml *x, const char *text, size_t len) {
  lp_buf prepared = {0};
  int code = lpb_html_prepare(
      text, len, x->strict ? LPB_HTML_PREPARE_STRICT_XML : LPB_HTML_PREPARE_XML, &prepared);
  if (prepared.data) {
    text = prepared.data;
    len = prepared.len;
  }
  if (code == 0 && len > INT_MAX) code = LP_ETOO_LARGE;
  if (code == 0) code = parse(x, text, (int)len);
  lp_buf_close(&prepared);
  return code;
}
