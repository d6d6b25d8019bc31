/* base/locale.h: numbers as text, whatever locale the host has set: for calls of libraries that
 * write or read them. It is a matter of the calling thread. Layer: base, libc only. */
#ifndef LP_BASE_LOCALE_H
#define LP_BASE_LOCALE_H

#include <locale.h>

/* From now on numbers have a point. Returns what lp_locale_end takes. The locale "C" is glibc's
 * own: it takes no memory. */
static inline locale_t lp_locale_begin(void) {
  return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
}

static inline void lp_locale_end(locale_t before) {
  uselocale(before);
}

#endif
