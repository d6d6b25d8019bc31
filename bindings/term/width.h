/* bindings/term/width.h: how many columns a text takes on a terminal.
 *
 * A text is measured by libc's own table of widths, in a UTF-8 locale that holds for the length
 * of a call and for this thread alone: the locale of the process stays as its host has set it.
 * Layer: bindings. */
#ifndef LPB_TERM_WIDTH_H
#define LPB_TERM_WIDTH_H

#include <locale.h>
#include <stddef.h>

/* Returns the columns of `text`; `locale` is one of UTF-8, or 0 when there is none. */
int lpb_term_width(locale_t locale, const char *text, size_t len);

/* Returns the length in bytes of the longest beginning of `text` that fits into `columns`. A
 * character is never parted from the marks that are combined with it. */
size_t lpb_term_width_fit(locale_t locale, const char *text, size_t len, int columns);

#endif
