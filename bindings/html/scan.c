/* bindings/html/scan.c: as the CSS Syntax module has it, but that a name may begin with a
 * digit: pages have such ids, and nothing else could be meant. Layer: bindings. */
#include "bindings/html/scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A name of n bytes becomes at most 3n (an escaped zero is U+FFFD), with a zero byte, twice
 * for a copy in lower case. */
size_t lpb_html_scan_room(size_t length) {
  return 8 * length + 8;
}

bool lpb_html_scan_fail(lpb_html_scan *s, const char *format, ...) {
  if (s->failed) return false;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(s->fault->text, sizeof s->fault->text, format, arguments);
  va_end(arguments);
  s->fault->column = s->at + 1;
  s->failed = true;
  return false;
}

/* The bytes of the character of UTF-8 at this place, or 0 when there is none. */
static size_t character(const lpb_html_scan *s) {
  unsigned char first = (unsigned char)s->text[s->at];
  size_t n = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (first > 0xF4 || n > s->length - s->at) return 0;
  for (size_t i = 1; i < n; i++)
    if (((unsigned char)s->text[s->at + i] & 0xC0) != 0x80) return 0;
  return n;
}

bool lpb_html_scan_unexpected(lpb_html_scan *s) {
  if (s->at >= s->length) return lpb_html_scan_fail(s, "expected more");
  int n = (int)character(s);
  if (n == 0) return lpb_html_scan_fail(s, "unexpected 'invalid UTF-8'");
  return lpb_html_scan_fail(s, "unexpected '%.*s'", n, s->text + s->at);
}

char lpb_html_scan_peek(const lpb_html_scan *s, size_t ahead) {
  if (s->failed || ahead >= s->length - s->at) return '\0';
  return s->text[s->at + ahead];
}

static bool is_space(char c) {
  return c && strchr(" \t\n\r\f", c);
}

bool lpb_html_scan_space(lpb_html_scan *s) {
  size_t start = s->at;
  for (;;) {
    char c = lpb_html_scan_peek(s, 0);
    if (is_space(c)) {
      s->at++;
    } else if (c == '/' && lpb_html_scan_peek(s, 1) == '*') {
      const char *end = memmem(s->text + s->at + 2, s->length - s->at - 2, "*/", 2);
      s->at = end ? (size_t)(end + 2 - s->text) : s->length;
    } else {
      return s->at > start;
    }
  }
}

bool lpb_html_scan_take(lpb_html_scan *s, char c) {
  if (lpb_html_scan_peek(s, 0) != c) return false;
  s->at++;
  return true;
}

bool lpb_html_scan_expect(lpb_html_scan *s, char c) {
  return lpb_html_scan_take(s, c) || lpb_html_scan_fail(s, "expected %c", c);
}

static bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_name(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         c == '_' || c == '-' || (unsigned char)c >= 0x80;
}

static bool at_escape(const lpb_html_scan *s) {
  char c = lpb_html_scan_peek(s, 0), next = lpb_html_scan_peek(s, 1);
  return c == '\\' && next != '\0' && next != '\n';
}

bool lpb_html_scan_at_name(const lpb_html_scan *s) {
  return is_name(lpb_html_scan_peek(s, 0)) || at_escape(s);
}

bool lpb_html_scan_word(lpb_html_scan *s, const char *word) {
  size_t n = strlen(word);
  if (s->failed || n > s->length - s->at || strncasecmp(s->text + s->at, word, n) != 0)
    return false;
  if (is_name(lpb_html_scan_peek(s, n))) return false;
  s->at += n;
  return true;
}

static void put(lpb_html_scan *s, unsigned long code) {
  if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) code = 0xFFFD;
  if (code < 0x80) {
    *s->strings++ = (char)code;
    return;
  }
  int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  *s->strings++ = (char)(code >> (6 * more) | (0xFF00u >> (more + 1) & 0xFF));
  while (more-- > 0) *s->strings++ = (char)((code >> (6 * more) & 0x3F) | 0x80);
}

/* Copies what is escaped here: up to six hexadecimal digits and a space, or any byte. */
static void put_escaped(lpb_html_scan *s) {
  s->at++;
  unsigned long code = 0;
  int n = 0;
  for (; n < 6 && is_hex(lpb_html_scan_peek(s, 0)); n++) {
    char c = s->text[s->at++];
    code = code * 16 + (unsigned long)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  if (n == 0) {
    *s->strings++ = s->text[s->at++];
  } else {
    put(s, code);
    if (is_space(lpb_html_scan_peek(s, 0))) s->at++;
  }
}

/* Ends the string that began at `start`. */
static const char *finish(lpb_html_scan *s, char *start, size_t *length) {
  if (length) *length = (size_t)(s->strings - start);
  *s->strings++ = '\0';
  return start;
}

const char *lpb_html_scan_name(lpb_html_scan *s, const char *what, size_t *length) {
  char *start = s->strings;
  for (;;) {
    if (is_name(lpb_html_scan_peek(s, 0))) {
      *s->strings++ = s->text[s->at++];
    } else if (at_escape(s)) {
      put_escaped(s);
    } else {
      break;
    }
  }
  if (s->strings > start) return finish(s, start, length);
  lpb_html_scan_fail(s, "expected %s", what);
  return NULL;
}

static const char *quoted(lpb_html_scan *s, size_t *length) {
  char *start = s->strings, quote = s->text[s->at++];
  while (!s->failed && s->at < s->length) {
    char c = s->text[s->at];
    if (c == quote) {
      s->at++;
      return finish(s, start, length);
    }
    if (at_escape(s)) {
      put_escaped(s);
    } else if (c == '\\') {
      s->at += s->length - s->at > 1 ? 2 : 1; /* the line goes on */
    } else {
      s->at++;
      if (c)
        *s->strings++ = c;
      else
        put(s, 0);
    }
  }
  lpb_html_scan_fail(s, "expected the closing quote");
  return NULL;
}

const char *lpb_html_scan_value(lpb_html_scan *s, const char *what, size_t *length) {
  char c = lpb_html_scan_peek(s, 0);
  if (c == '"' || c == '\'') return quoted(s, length);
  return lpb_html_scan_name(s, what, length);
}

const char *lpb_html_scan_lower(lpb_html_scan *s, const char *name) {
  size_t n = strlen(name);
  bool same = true;
  for (size_t i = 0; i < n; i++) same = same && !(name[i] >= 'A' && name[i] <= 'Z');
  if (same) return name;
  char *copy = s->strings;
  for (size_t i = 0; i <= n; i++)
    copy[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 0x20) : name[i];
  s->strings += n + 1;
  return copy;
}
