/* bindings/html/entity.c: character references as HTML5 has them: all names, those that pages
 * may write without semicolon, and numbers that mean a byte of windows-1252. Layer: bindings.
 */
#include "bindings/html/entity.h"

#include <string.h>

#include "bindings/html/entity_names.h"

enum { LONGEST_NAME = 31, LONGEST_BARE = 6, LAST = 0x10FFFF, REPLACEMENT = 0xFFFD };

typedef struct entry {
  const char *name, *text;
  size_t name_len, len;
  /* May the semicolon be left out? */
  bool bare;
} entry;

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_alnum(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The entry in which `at` lies. */
static entry entry_at(const char *at) {
  entry e;
  while (at > entity_names && at[-1] != ' ') at--;
  e.name = at;
  e.name_len = strcspn(at, "=!");
  e.bare = at[e.name_len] == '!';
  e.text = at + e.name_len + 1;
  e.len = strcspn(e.text, " ");
  return e;
}

static int compare(const char *name, size_t len, const entry *e) {
  int order = memcmp(name, e->name, len < e->name_len ? len : e->name_len);
  return order ? order : (len > e->name_len) - (len < e->name_len);
}

static bool find(const char *name, size_t len, entry *e) {
  const char *low = entity_names, *high = entity_names + sizeof entity_names - 1;
  while (low < high) {
    *e = entry_at(low + (high - low - 1) / 2);
    int order = compare(name, len, e);
    if (order == 0) return true;
    if (order < 0) {
      high = e->name;
    } else {
      low = e->text + e->len + 1;
    }
  }
  return false;
}

const char *lpb_html_entity_find(const char *name, size_t name_len, size_t *len) {
  entry e;
  if (name_len == 0 || !find(name, name_len, &e)) return NULL;
  *len = e.len;
  return e.text;
}

static size_t write_utf8(unsigned c, char *out) {
  if (c < 0x80) {
    out[0] = (char)c;
    return 1;
  }
  size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char first[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
  out[0] = (char)(first[n] | c);
  return n;
}

/* What a number means: pages write windows-1252's where Unicode has control characters. */
static unsigned meaning(unsigned c) {
  static const unsigned short windows_1252[] = {
      0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
      0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
      0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};
  if (c >= 0x80 && c <= 0x9F) return windows_1252[c - 0x80];
  if (c == 0 || c > LAST || (c >= 0xD800 && c <= 0xDFFF)) return REPLACEMENT;
  return c;
}

/* The value of a digit, or -1. */
static int digit(char c, unsigned base) {
  if (is_digit(c)) return c - '0';
  if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f') return (c | 0x20) - 'a' + 10;
  return -1;
}

static size_t read_number(const char *p, const char *end, char *text, size_t *len) {
  const char *at = p + 2;
  unsigned base = 10, value = 0;
  if (at < end && (*at == 'x' || *at == 'X')) {
    base = 16;
    at++;
  }
  const char *digits = at;
  for (int d; at < end && (d = digit(*at, base)) >= 0; at++)
    if (value <= LAST) value = value * base + (unsigned)d;
  if (at == digits) return 0;
  if (at < end && *at == ';') at++;
  *len = write_utf8(meaning(value), text);
  return (size_t)(at - p);
}

/* Without a semicolon, the longest name counts that the letters begin with. */
static bool find_bare(const char *name, size_t len, entry *e) {
  for (size_t n = len < LONGEST_BARE ? len : LONGEST_BARE; n >= 2; n--)
    if (find(name, n, e) && e->bare) return true;
  return false;
}

size_t lpb_html_entity_read(const char *p, const char *end, bool in_attribute, char *text,
                            size_t *len) {
  const char *name = p + 1;
  size_t n = 0, most = (size_t)(end - name);
  entry e;
  if (most > 0 && *name == '#') return read_number(p, end, text, len);
  while (n < most && n <= LONGEST_NAME && is_alnum(name[n])) n++;
  if (n < 2) return 0;
  bool closed = n < most && name[n] == ';' && find(name, n, &e);
  if (!closed) {
    if (!find_bare(name, n, &e)) return 0;
    const char *after = name + e.name_len;
    if (in_attribute && after < end && (*after == '=' || is_alnum(*after))) return 0;
  }
  memcpy(text, e.text, e.len);
  *len = e.len;
  return 1 + e.name_len + closed;
}
