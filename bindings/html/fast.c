/* bindings/html/fast.c: HTML to a tree, by libxml2's parser, which is told apart from a
 * browser's by its rules for wrong nesting.
 *
 * prepare.c gives it the markup; here its depth is limited, since it compares an end tag with
 * all elements that are open. Layer: bindings; any process. */
#include "bindings/html/fast.h"

#include <libxml/HTMLparser.h>
#include <libxml/HTMLtree.h>
#include <libxml/SAX2.h>
#include <libxml/parserInternals.h>
#include <limits.h>

#include "bindings/html/prepare.h"
#include "runtime/base/error.h"

enum {
  OPTIONS = HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
            HTML_PARSE_NODEFDTD | HTML_PARSE_IGNORE_ENC
};

/* libxml2 calls this with the new element at the top of its stack of names. When the stack is
 * full, the element below it is closed: the new one stands beside it. */
static void start_element(void *data, const xmlChar *name, const xmlChar **attributes) {
  htmlParserCtxt *ctxt = data;
  if (ctxt->nameNr > LPB_HTML_PREPARE_DEPTH) {
    const xmlChar *parent = ctxt->nameTab[ctxt->nameNr - 2];
    ctxt->nameTab[ctxt->nameNr - 2] = ctxt->nameTab[ctxt->nameNr - 1];
    ctxt->nameNr--;
    xmlSAX2EndElement(ctxt, parent);
  }
  xmlSAX2StartElement(ctxt, name, attributes);
}

/* Never NULL but for want of memory. XML_PARSE_HUGE lifts the limits on depth (256) and text
 * (10 MB): without it such a document would be cut off there. */
static xmlDoc *parse(const char *text, int len) {
  htmlParserCtxt *ctxt = len > 0 ? htmlCreateMemoryParserCtxt(text, len) : NULL;
  if (!ctxt) return htmlNewDocNoDtD(NULL, NULL);
  htmlCtxtUseOptions(ctxt, OPTIONS);
  ctxt->options |= XML_PARSE_HUGE;
  ctxt->sax->startElement = start_element;
  xmlSwitchEncoding(ctxt, XML_CHAR_ENCODING_UTF8);
  htmlParseDocument(ctxt);
  xmlDoc *doc = ctxt->myDoc;
  ctxt->myDoc = NULL;
  htmlFreeParserCtxt(ctxt);
  return doc ? doc : htmlNewDocNoDtD(NULL, NULL);
}

int lpb_html_fast_parse(const char *text, size_t len, xmlDoc **doc) {
  lp_buf prepared = {0};
  int code = lpb_html_prepare(text, len, LPB_HTML_PREPARE_LIBXML, &prepared);
  const char *from = prepared.data ? prepared.data : text;
  if (prepared.data) len = prepared.len;
  if (code == 0 && len > INT_MAX) code = LP_ETOO_LARGE;
  if (code == 0 && !(*doc = parse(from, (int)len))) code = LP_EMEMORY;
  lp_buf_close(&prepared);
  return code;
}
