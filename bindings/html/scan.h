/* bindings/html/scan.h: the words of a CSS selector: names, strings, escapes, white space.
 *
 * A scanner goes over a text once; the first fault that it meets stays, and from then on it
 * finds nothing more. Layer: bindings. Owner: lpb_html_selector_open. */
#ifndef LPB_HTML_SCAN_H
#define LPB_HTML_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with a selector. */
typedef struct lpb_html_scan_fault {
  /* "expected a selector"; empty when there was no memory. */
  char text[160];
  /* Where, in bytes from 1. */
  size_t column;
  /* An unknown name and the names that it could have been, ended by NULL; or NULL. */
  char unknown[64];
  const char *const *known;
} lpb_html_scan_fault;

typedef struct lpb_html_scan {
  const char *text;
  /* Where it is, and where the text ends. */
  size_t at, length;
  /* Where names and values are copied to, with a zero byte behind each: there is room for all
   * that the text can hold. */
  char *strings;
  /* The first fault, when `failed` is set. */
  lpb_html_scan_fault *fault;
  bool failed;
} lpb_html_scan;

/* The bytes that the strings of a text of this length can need. */
size_t lpb_html_scan_room(size_t length);

/* Notes a fault at this place, unless there is one. False always. */
bool lpb_html_scan_fail(lpb_html_scan *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Notes that what stands here is not expected. False always. */
bool lpb_html_scan_unexpected(lpb_html_scan *s);

/* The byte at this place, or `ahead` bytes behind it; 0 behind the end. */
char lpb_html_scan_peek(const lpb_html_scan *s, size_t ahead);

/* Passes over white space and comments. True when there were some. */
bool lpb_html_scan_space(lpb_html_scan *s);

/* Passes over this byte if it stands here. */
bool lpb_html_scan_take(lpb_html_scan *s, char c);

/* Passes over a byte that must stand here. */
bool lpb_html_scan_expect(lpb_html_scan *s, char c);

/* Passes over one of these words, in any case of letters, if no name goes on behind it. */
bool lpb_html_scan_word(lpb_html_scan *s, const char *word);

/* Does a name begin here? */
bool lpb_html_scan_at_name(const lpb_html_scan *s);

/* A name, or NULL when none stands here: then `what` was expected. */
const char *lpb_html_scan_name(lpb_html_scan *s, const char *what, size_t *length);

/* A string in quotes or a name; NULL when neither stands here. */
const char *lpb_html_scan_value(lpb_html_scan *s, const char *what, size_t *length);

/* A copy of a name in lower case; the name itself when that is the same. */
const char *lpb_html_scan_lower(lpb_html_scan *s, const char *name);

#endif
