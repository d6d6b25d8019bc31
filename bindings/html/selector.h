/* bindings/html/selector.h: CSS selectors, read into arrays that lpb_html_match follows.
 *
 * A selector is a list of complex selectors ("ul > li, p"); a complex one is a chain of
 * compounds ("ul", "li") with combinators between them; a compound is a chain of tests that all
 * hold of one element. All of them stand in arrays and name each other by index, NONE being the
 * end. A selector knows no document: it is read once and used on many. Layer: bindings. */
#ifndef LPB_HTML_SELECTOR_H
#define LPB_HTML_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "bindings/html/scan.h"

enum { LPB_HTML_SELECTOR_NONE = -1 };

typedef enum lpb_html_selector_kind {
  LPB_HTML_TEST_TYPE,
  LPB_HTML_TEST_ID,
  LPB_HTML_TEST_CLASS,
  LPB_HTML_TEST_ATTRIBUTE,
  LPB_HTML_TEST_FIRST_CHILD,
  LPB_HTML_TEST_LAST_CHILD,
  LPB_HTML_TEST_NTH,
  LPB_HTML_TEST_IS,
  LPB_HTML_TEST_NOT,
  LPB_HTML_TEST_HAS,
  LPB_HTML_TEST_ROOT,
  LPB_HTML_TEST_SCOPE,
  LPB_HTML_TEST_EMPTY,
  LPB_HTML_TEST_CHECKED,
  LPB_HTML_TEST_ENABLED,
  LPB_HTML_TEST_DISABLED,
  LPB_HTML_TEST_LINK,
  LPB_HTML_TEST_LANG,
  LPB_HTML_TEST_CONTAINS,
  /* :hover and others that are of no page at rest. */
  LPB_HTML_TEST_NEVER,
} lpb_html_selector_kind;

/* What LPB_HTML_TEST_NTH counts from which end. Those "of" a list have a number of their own:
 * see lpb_html_match. */
typedef enum lpb_html_selector_count {
  LPB_HTML_COUNT_CHILD,
  LPB_HTML_COUNT_LAST_CHILD,
  LPB_HTML_COUNT_TYPE,
  LPB_HTML_COUNT_LAST_TYPE,
} lpb_html_selector_count;

/* A name with its namespace, as a selector writes it. */
typedef struct lpb_html_selector_name {
  /* NULL: of any namespace. "": of none. Else a prefix. */
  const char *prefix;
  /* NULL: any name. */
  const char *local;
  /* The same in lower case, as HTML documents have their names; `local` itself when equal. */
  const char *lower;
} lpb_html_selector_name;

typedef struct lpb_html_selector_test {
  lpb_html_selector_kind kind;
  /* The next test of the compound. */
  int next;
  /* Of TYPE and ATTRIBUTE. */
  lpb_html_selector_name name;
  /* Of ATTRIBUTE: 0 when it need only be there, else the first character of ~= |= ^= $= *= !=,
   * or '='. */
  char operator;
  /* Of ATTRIBUTE: the case of letters does not count. */
  bool fold;
  /* What ID, CLASS, ATTRIBUTE, LANG, CONTAINS look for. */
  const char *value;
  size_t length;
  /* Of CONTAINS: how much of the value is still met when it fails behind each byte (Knuth,
   * Morris, Pratt). */
  int *retry;
  /* Of NTH: what is counted; a, b of an+b. */
  lpb_html_selector_count count;
  int a, b;
  /* Of IS, NOT, HAS, and of NTH with "of": the first complex selector of the list. */
  int list;
} lpb_html_selector_test;

typedef struct lpb_html_selector_compound {
  /* The first test, or NONE: any element. */
  int tests;
  /* Its neighbours in the chain. */
  int left, right;
  /* How it stands to its left neighbour: ' ' inside it, '>' its child, '+' the next sibling,
   * '~' a later one, 's' it or inside it. The first of a list of :has stands so to the element
   * that is asked. */
  char combinator;
  /* A test has a list of selectors. */
  bool has_list;
} lpb_html_selector_compound;

typedef enum lpb_html_selector_result {
  LPB_HTML_RESULT_ELEMENT,
  LPB_HTML_RESULT_TEXT,
  LPB_HTML_RESULT_ATTRIBUTE,
} lpb_html_selector_result;

typedef struct lpb_html_selector_complex {
  /* The ends of the chain: `last` is the element that is found. */
  int first, last;
  /* The next complex selector of the list. */
  int next;
  /* It begins with + or ~: what it finds stands behind the scope, not inside it. */
  bool behind;
  /* What is given of the elements that are found. */
  lpb_html_selector_result result;
  /* Of ATTRIBUTE: which. */
  lpb_html_selector_name attribute;
} lpb_html_selector_complex;

typedef struct lpb_html_selector {
  lpb_html_selector_test *tests;
  lpb_html_selector_compound *compounds;
  lpb_html_selector_complex *complexes;
  int test_count, compound_count, complex_count;
  /* The first complex selector of the whole. */
  int list;
  /* One of them gives text or attributes. */
  bool gives_strings;
  /* All names and values. */
  char *strings;
} lpb_html_selector;

/* Reads a selector into a zeroed `s`. False when it is none; `fault` says why, and `s` is to be
 * closed nevertheless. */
bool lpb_html_selector_open(lpb_html_selector *s, const char *text, size_t length,
                            lpb_html_scan_fault *fault);

/* Gives its memory back. Safe on a zeroed struct, safe twice. */
void lpb_html_selector_close(lpb_html_selector *s);

#endif
