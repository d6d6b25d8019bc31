/* bindings/term/width.c: the columns of a text. Where terminals differ (emoji that are joined
 * or coloured) the larger number is taken: a line that is too short does no harm, one that is
 * too long wraps. Layer: bindings. */
#include "bindings/term/width.h"

#include <string.h>
#include <wchar.h>

/* U+FE0F: makes an emoji, which is wide, of the character before it. */
static const wchar_t AS_EMOJI = 0xFE0F;

/* Reads the first character of a text. Returns its length in bytes; a byte that is not UTF-8
 * stands for itself. */
static size_t read_char(const char *text, size_t len, wchar_t *c) {
  mbstate_t state;
  memset(&state, 0, sizeof state);
  size_t n = mbrtowc(c, text, len, &state);
  if (n > 0 && n <= len) return n;
  *c = L'?';
  return 1;
}

/* A character that libc does not know yet may be an emoji. */
static int columns_of(wchar_t c) {
  int n = wcwidth(c);
  return n < 0 ? 2 : n;
}

/* Measures the first character with all that is combined with it. Returns its length in bytes.
 */
static size_t measure(const char *text, size_t len, int *columns) {
  wchar_t c;
  size_t used = read_char(text, len, &c);
  *columns = columns_of(c);
  while (used < len) {
    size_t n = read_char(text + used, len - used, &c);
    if (columns_of(c) > 0) break;
    if (c == AS_EMOJI && *columns == 1) *columns = 2;
    used += n;
  }
  return used;
}

/* Returns the length in bytes of what fits, and its width. */
static size_t fit(locale_t locale, const char *text, size_t len, int most, int *columns) {
  locale_t before = locale ? uselocale(locale) : (locale_t)0;
  size_t used = 0;
  *columns = 0;
  while (used < len) {
    int more;
    size_t n = measure(text + used, len - used, &more);
    if (more > most - *columns) break;
    used += n;
    *columns += more;
  }
  if (locale) uselocale(before);
  return used;
}

int lpb_term_width(locale_t locale, const char *text, size_t len) {
  int columns;
  fit(locale, text, len, __INT_MAX__, &columns);
  return columns;
}

size_t lpb_term_width_fit(locale_t locale, const char *text, size_t len, int columns) {
  int used;
  return fit(locale, text, len, columns, &used);
}
