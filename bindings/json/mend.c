/* bindings/json/mend.c: JSON texts that jansson refuses for the sake of a number or a
 * surrogate. The text need not be well-formed: what is not understood stays as it is. Layer:
 * bindings; any process. */
#include "bindings/json/mend.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/locale.h"

/* The shortest number beyond all floats has so many characters, as 2e308; what stands for
 * infinity, as 9e307, has no more. */
enum { SHORTEST = 5 };

/* ---- walking over the text ---- */

/* The end of the string whose quote stands at `at`. */
static char *skip_string(char *at, const char *end) {
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\' && at + 1 < end) at++;
  return at < end ? at + 1 : at;
}

/* The next number or string, by its first character; NULL at the end. */
static char *next_token(char *at, const char *end) {
  for (; at < end; at++)
    if (*at == '"' || *at == '-' || (*at >= '0' && *at <= '9')) return at;
  return NULL;
}

static size_t run_length(const char *at) {
  return strspn(at, "0123456789+-.eE");
}

/* ---- surrogates ---- */

/* The number of an escape such as \uD800, or -1. */
static long escape_at(const char *at, const char *end) {
  if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
  char digits[5] = {0}, *stop;
  memcpy(digits, at + 2, 4);
  long value = strtol(digits, &stop, 16);
  return stop == digits + 4 && *digits != '-' && *digits != '+' ? value : -1;
}

static bool mend_string(char *at, const char *end) {
  bool changed = false;
  for (at++; at < end && *at != '"'; at++) {
    if (*at != '\\') continue;
    long unit = escape_at(at, end);
    if (unit < 0xD800 || unit > 0xDFFF) {
      at++;
      continue;
    }
    long other = escape_at(at + 6, end);
    bool pair = unit < 0xDC00 && other >= 0xDC00 && other <= 0xDFFF;
    if (!pair) memcpy(at + 2, "FFFD", 4);
    changed = changed || !pair;
    at += pair ? 11 : 5;
  }
  return changed;
}

/* ---- numbers ---- */

static const char *skip_digits(const char *at) {
  while (*at >= '0' && *at <= '9') at++;
  return at;
}

/* True when all of the run is one number of JSON, without its sign. */
static bool is_number(const char *at, size_t len) {
  const char *end = at + len, *next = *at == '0' ? at + 1 : skip_digits(at);
  if (next == at) return false;
  if (*next == '.') {
    at = next + 1;
    if ((next = skip_digits(at)) == at) return false;
  }
  if (*next == 'e' || *next == 'E') {
    at = next[1] == '+' || next[1] == '-' ? next + 2 : next + 1;
    if ((next = skip_digits(at)) == at) return false;
  }
  return next == end;
}

static bool is_wide_integer(const char *at, size_t len) {
  if (len < 19 || (size_t)(skip_digits(at) - at) < len) return false;
  errno = 0;
  strtoll(at, NULL, 10);
  return errno == ERANGE;
}

/* Writes an integer of `len` digits as 17 of them and an exponent. */
static void write_float(char *at, size_t len, double x) {
  char text[32];
  snprintf(text, sizeof text, "%.16e", x); /* 1.8446744073709552e+19 */
  int exponent = atoi(strchr(text, 'e') + 1) - 16;
  at[0] = text[0];
  memcpy(at + 1, text + 2, 16);
  memset(at + 17, '0', len - 17);
  at[17] = 'e';
  size_t n = (size_t)snprintf(text, sizeof text, "%d", exponent);
  memcpy(at + len - n, text, n);
}

/* True when a number of the text equals x, but for its sign. */
static bool has_number(char *text, const char *end, double x) {
  char *at = text;
  while ((at = next_token(at, end))) {
    if (*at != '"' && fabs(strtod(at, NULL)) == x) return true;
    at = *at == '"' ? skip_string(at, end) : at + run_length(at);
  }
  return false;
}

/* Finds a number of the shape 9e307 that the text does not hold; 0 when that is too hard. */
static double find_infinity(char *text, const char *end) {
  for (int exponent = 307; exponent > 290; exponent--) {
    char token[16];
    snprintf(token, sizeof token, "9e%d", exponent);
    double x = strtod(token, NULL);
    if (!has_number(text, end, x)) return x;
  }
  return 0;
}

static void write_infinity(char *at, size_t len, double infinity) {
  char text[16];
  snprintf(text, sizeof text, "%.0e", infinity); /* 9e+307 */
  memset(at, '0', len);
  at[0] = text[0];
  at[1] = 'e';
  memcpy(at + len - 3, text + 3, 3);
}

/* Mends the run of characters at `at`, when it is a number. */
static bool mend_number(char *text, const char *end, char *at, size_t len, double *infinity) {
  if (*at == '-') at++, len--;
  if (len < SHORTEST || !is_number(at, len)) return false;
  double x = strtod(at, NULL);
  if (isinf(x)) {
    if (*infinity == 0) *infinity = find_infinity(text, end);
    if (*infinity == 0) return false;
    write_infinity(at, len, *infinity);
    return true;
  }
  if (!is_wide_integer(at, len)) return false;
  write_float(at, len, x);
  return true;
}

static bool mend_all(char *text, size_t len, bool numbers, double *infinity) {
  bool changed = false;
  char *end = text + len, *at = text;
  while ((at = next_token(at, end))) {
    if (*at == '"') {
      changed = mend_string(at, end) || changed;
      at = skip_string(at, end);
    } else {
      size_t n = run_length(at);
      if (numbers) changed = mend_number(text, end, at, n, infinity) || changed;
      at += n;
    }
  }
  return changed;
}

/* strtod and snprintf take the point of the host's locale, so another one is set meanwhile. */
bool lpb_json_mend(char *text, size_t len, bool numbers, double *infinity) {
  *infinity = 0;
  locale_t before = lp_locale_begin();
  bool changed = mend_all(text, len, numbers, infinity);
  lp_locale_end(before);
  return changed;
}
