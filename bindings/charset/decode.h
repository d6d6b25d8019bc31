/* bindings/charset/decode.h: text of any charset to UTF-8. Layer: bindings. */
#ifndef LPB_CHARSET_DECODE_H
#define LPB_CHARSET_DECODE_H

#include <lauxlib.h>
#include <stdbool.h>

#include "bindings/charset/label.h"

/* Is the text UTF-8, apart from a few wrong characters and one that is cut at its end? Text of
 * another charset, which no more than looks like it here and there, is not. */
bool lpb_charset_decode_is_utf8(const char *text, size_t len);

/* Pushes the string at stack index `text`, from byte `from` on, as UTF-8; the string itself
 * when it is that already. What is wrong in it comes out as U+FFFD. Returns false, with nothing
 * pushed, when the C library cannot convert from this charset. */
bool lpb_charset_decode_push(lua_State *L, int text, size_t from,
                             const lpb_charset_label *charset);

#endif
