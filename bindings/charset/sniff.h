/* bindings/charset/sniff.h: what a document says of its own charset. Layer: bindings. */
#ifndef LPB_CHARSET_SNIFF_H
#define LPB_CHARSET_SNIFF_H

#include <stddef.h>

#include "bindings/charset/label.h"

/* What a text is, which decides where it may name its charset. */
typedef enum lpb_charset_sniff_kind {
  /* Nowhere but in its byte order mark. */
  LPB_CHARSET_TEXT,
  /* In a meta element, or in an XML declaration. */
  LPB_CHARSET_HTML,
  /* In its XML declaration. */
  LPB_CHARSET_XML,
} lpb_charset_sniff_kind;

/* Returns the charset of a byte order mark at the beginning, and the length of the mark; NULL
 * and 0 where there is none. */
const lpb_charset_label *lpb_charset_sniff_mark(const char *text, size_t len, size_t *mark);

/* Returns the charset of UTF-16 without a mark, which the zero bytes of its markup tell; NULL
 * for any other. */
const lpb_charset_label *lpb_charset_sniff_zeros(const char *text, size_t len);

/* Returns the charset that a document of this kind names in itself, or NULL. */
const lpb_charset_label *lpb_charset_sniff_said(const char *text, size_t len,
                                                lpb_charset_sniff_kind kind);

/* Finds the value of `charset=` in a Content-Type: its place, and its length in `found`. NULL
 * where there is none. */
const char *lpb_charset_sniff_parameter(const char *type, size_t len, size_t *found);

#endif
