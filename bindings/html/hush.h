/* bindings/html/hush.h: libxml2 prints what it has to say of a lack of memory by a function
 * that each thread has one of. While it works for us nothing is printed; then the host's
 * function is back. Layer: bindings. */
#ifndef LPB_HTML_HUSH_H
#define LPB_HTML_HUSH_H

#include <libxml/xmlerror.h>

typedef struct lpb_html_hush {
  xmlGenericErrorFunc print;
  void *data;
} lpb_html_hush;

/* `print` gets it from now on, with `data`. */
static inline lpb_html_hush lpb_html_hush_begin(xmlGenericErrorFunc print, void *data) {
  const lpb_html_hush before = {xmlGenericError, xmlGenericErrorContext};
  xmlSetGenericErrorFunc(data, print);
  return before;
}

static inline void lpb_html_hush_end(const lpb_html_hush *before) {
  xmlSetGenericErrorFunc(before->data, before->print);
}

#endif
