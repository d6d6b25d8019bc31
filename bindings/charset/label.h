/* bindings/charset/label.h: the names that pages give to charsets. Layer: bindings. */
#ifndef LPB_CHARSET_LABEL_H
#define LPB_CHARSET_LABEL_H

#include <stddef.h>

/* How the bytes of a charset group into characters: where decoding goes on behind wrong ones.
 */
typedef enum lpb_charset_label_form {
  /* One byte a character. */
  LPB_CHARSET_SINGLE,
  /* One or more bytes; of several, the first is above 0x7F. */
  LPB_CHARSET_MULTI,
  /* Escape sequences choose what the bytes behind them mean. */
  LPB_CHARSET_SHIFTED,
  /* UTF-8, which decode.c reads itself. */
  LPB_CHARSET_UTF8,
  /* Units of two bytes. */
  LPB_CHARSET_UTF16,
  /* Units of four bytes. */
  LPB_CHARSET_UTF32,
} lpb_charset_label_form;

typedef struct lpb_charset_label {
  /* The name in the encoding standard of browsers. */
  const char *name;
  /* What the C library's iconv calls it. */
  const char *iconv;
  lpb_charset_label_form form;
  /* All labels that mean it, with a space around each. */
  const char *labels;
} lpb_charset_label;

/* Finds the charset that a label means, in any case of letters and with blanks around it. NULL
 * for an unknown one. */
const lpb_charset_label *lpb_charset_label_find(const char *label, size_t len);

#endif
