/* bindings/html/selector.c: one recursive descent over the text of a selector. Lists inside
 * functions nest up to DEPTH, which bounds the recursion here and in lpb_html_match; the length
 * of a chain is bounded for the same reason. Layer: bindings. */
#include "bindings/html/selector.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/alloc.h"

enum { NONE = LPB_HTML_SELECTOR_NONE, DEPTH = 16, COMPOUNDS = 512, TESTS = 4096 };

/* What may stand in a list. */
typedef enum where { AT_TOP, IN_LIST, IN_HAS } where;

typedef struct reader {
  lpb_html_scan scan;
  lpb_html_selector *selector;
  int depth;
} reader;

/* Makes room for one more in an array; the index of it, zeroed, or NONE for want of memory. */
static int extend(reader *r, void *array, int *count, size_t size) {
  char **items = array;
  if ((*count & (*count - 1)) == 0) { /* 0 or a power of two: the array is full */
    char *wider = lp_alloc_resize(*items, (*count ? 2 * (size_t)*count : 1) * size);
    if (!wider) {
      r->scan.failed = true;
      return NONE;
    }
    *items = wider;
  }
  memset(*items + (size_t)*count * size, 0, size);
  return (*count)++;
}

static lpb_html_selector_compound *compound_at(reader *r, int i) {
  return &r->selector->compounds[i];
}

/* Appends a test to a compound. */
static bool add_test(reader *r, int compound, lpb_html_selector_test test) {
  lpb_html_selector *s = r->selector;
  bool full = s->test_count == TESTS;
  if (full) lpb_html_scan_fail(&r->scan, "the selector is too long");
  int i = full ? NONE : extend(r, &s->tests, &s->test_count, sizeof *s->tests);
  if (i == NONE) {
    lp_alloc_free(test.retry);
    return false;
  }
  test.next = NONE;
  s->tests[i] = test;
  if (test.list != NONE) compound_at(r, compound)->has_list = true;
  int *link = &compound_at(r, compound)->tests;
  while (*link != NONE) link = &s->tests[*link].next;
  *link = i;
  return true;
}

static bool add_kind(reader *r, int compound, lpb_html_selector_kind kind) {
  return add_test(r, compound, (lpb_html_selector_test){.kind = kind, .list = NONE});
}

static int new_compound(reader *r) {
  lpb_html_selector *s = r->selector;
  if (s->compound_count == COMPOUNDS) {
    lpb_html_scan_fail(&r->scan, "the selector is too long");
    return NONE;
  }
  int i = extend(r, &s->compounds, &s->compound_count, sizeof *s->compounds);
  if (i != NONE)
    s->compounds[i] = (lpb_html_selector_compound){
        .tests = NONE, .left = NONE, .right = NONE, .combinator = ' '};
  return i;
}

static bool read_list(reader *r, where in, int *list);

/* The argument of :is and others: a list of selectors up to the closing parenthesis. */
static bool read_argument(reader *r, where in, int *list) {
  if (r->depth == DEPTH) return lpb_html_scan_fail(&r->scan, "the selector nests too deep");
  r->depth++;
  bool ok = read_list(r, in, list) && lpb_html_scan_expect(&r->scan, ')');
  r->depth--;
  return ok;
}

/* A name that may have a namespace in front: ns|name, *|name, |name, name; `star` when "*" may
 * stand for any. */
static bool read_name(reader *r, lpb_html_selector_name *name, const char *what, bool star) {
  lpb_html_scan *s = &r->scan;
  bool any = false;
  name->prefix = NULL;
  name->local = NULL;
  if (lpb_html_scan_peek(s, 0) == '|' && lpb_html_scan_peek(s, 1) != '=') {
    name->prefix = "";
  } else if (lpb_html_scan_take(s, '*')) {
    any = true;
  } else if (!(name->local = lpb_html_scan_name(s, what, NULL))) {
    return false;
  }
  if (lpb_html_scan_peek(s, 0) == '|' && lpb_html_scan_peek(s, 1) != '=') {
    s->at++;
    if (name->local) name->prefix = name->local;
    name->local = NULL;
    any = star && lpb_html_scan_take(s, '*');
    if (!any && !(name->local = lpb_html_scan_name(s, what, NULL))) return false;
  }
  if (any && !star) return lpb_html_scan_fail(s, "expected |");
  if (name->local) name->lower = lpb_html_scan_lower(s, name->local);
  return !s->failed;
}

/* What stands behind the value of an attribute: "i", "s" or nothing, and the bracket. */
static bool read_flag(reader *r, lpb_html_selector_test *test) {
  lpb_html_scan *s = &r->scan;
  lpb_html_scan_space(s);
  test->fold = lpb_html_scan_word(s, "i");
  if (!test->fold) lpb_html_scan_word(s, "s");
  lpb_html_scan_space(s);
  return lpb_html_scan_expect(s, ']');
}

static bool read_attribute(reader *r, int compound) {
  lpb_html_scan *s = &r->scan;
  lpb_html_selector_test test = {.kind = LPB_HTML_TEST_ATTRIBUTE, .list = NONE};
  lpb_html_scan_space(s);
  if (!read_name(r, &test.name, "the name of an attribute", false)) return false;
  lpb_html_scan_space(s);
  if (lpb_html_scan_take(s, ']')) return add_test(r, compound, test);
  char c = lpb_html_scan_peek(s, 0);
  if (c == '=') {
    s->at++;
  } else if (c && strchr("~|^$*!", c) && lpb_html_scan_peek(s, 1) == '=') {
    s->at += 2;
  } else {
    return lpb_html_scan_fail(s, "expected an operator or ]");
  }
  test.operator= c;
  lpb_html_scan_space(s);
  test.value = lpb_html_scan_value(s, "a value", &test.length);
  return test.value && read_flag(r, &test) && add_test(r, compound, test);
}

/* Digits as a number, with a bound; false when there are none. */
static bool read_digits(lpb_html_scan *s, int *number) {
  bool any = false;
  *number = 0;
  for (char c; (c = lpb_html_scan_peek(s, 0)) >= '0' && c <= '9'; s->at++, any = true)
    *number = *number > INT_MAX / 10 - 1 ? INT_MAX / 10 : *number * 10 + (c - '0');
  return any;
}

/* an+b, odd, even or a number. */
static bool read_nth(lpb_html_scan *s, int *a, int *b) {
  bool odd = lpb_html_scan_word(s, "odd");
  *a = 2;
  *b = odd ? 1 : 0;
  if (odd || lpb_html_scan_word(s, "even")) return true;
  int sign = lpb_html_scan_take(s, '-') ? -1 : 1;
  if (sign == 1) lpb_html_scan_take(s, '+');
  bool number = read_digits(s, a);
  *a *= sign;
  if (!lpb_html_scan_take(s, 'n') && !lpb_html_scan_take(s, 'N')) {
    *b = *a;
    *a = 0;
    return number || lpb_html_scan_fail(s, "expected an+b, odd, even or a number");
  }
  if (!number) *a = sign;
  lpb_html_scan_space(s);
  char c = lpb_html_scan_peek(s, 0);
  if (c != '+' && c != '-') return true;
  s->at++;
  lpb_html_scan_space(s);
  if (!read_digits(s, b)) return lpb_html_scan_fail(s, "expected a number");
  if (c == '-') *b = -*b;
  return true;
}

/* A function of :nth-child and its like: what it counts, and whether "of" may follow. */
static bool read_count(reader *r, int compound, lpb_html_selector_count count) {
  lpb_html_scan *s = &r->scan;
  lpb_html_selector_test test = {.kind = LPB_HTML_TEST_NTH, .count = count, .list = NONE};
  lpb_html_scan_space(s);
  if (!read_nth(s, &test.a, &test.b)) return false;
  bool space = lpb_html_scan_space(s), children = count <= LPB_HTML_COUNT_LAST_CHILD;
  if (space && children && lpb_html_scan_word(s, "of"))
    return read_argument(r, IN_LIST, &test.list) && add_test(r, compound, test);
  if (!lpb_html_scan_take(s, ')'))
    return lpb_html_scan_fail(s, "expected an+b, odd, even or a number before this");
  return add_test(r, compound, test);
}

/* How much of the needle is still met when it fails behind each of its bytes. */
static bool fill_retry(lpb_html_selector_test *test) {
  test->retry = lp_alloc_new((test->length + 1) * sizeof *test->retry);
  if (!test->retry) return false;
  int met = 0;
  for (size_t i = 1; i < test->length; i++) {
    while (met > 0 && test->value[i] != test->value[met]) met = test->retry[met - 1];
    if (test->value[i] == test->value[met]) met++;
    test->retry[i] = met;
  }
  return true;
}

/* :lang(en) and :contains("text"). */
static bool read_text(reader *r, int compound, lpb_html_selector_kind kind) {
  lpb_html_scan *s = &r->scan;
  lpb_html_selector_test test = {.kind = kind, .list = NONE};
  lpb_html_scan_space(s);
  test.value = lpb_html_scan_value(s, "a name or a string", &test.length);
  if (!test.value) return false;
  lpb_html_scan_space(s);
  if (!lpb_html_scan_expect(s, ')')) return false;
  if (kind == LPB_HTML_TEST_CONTAINS && !fill_retry(&test)) return !(s->failed = true);
  return add_test(r, compound, test);
}

static bool read_is(reader *r, int compound, lpb_html_selector_kind kind) {
  lpb_html_selector_test test = {.kind = kind, .list = NONE};
  where in = kind == LPB_HTML_TEST_HAS ? IN_HAS : IN_LIST;
  return read_argument(r, in, &test.list) && add_test(r, compound, test);
}

static bool add_nth_of_type(reader *r, int compound, lpb_html_selector_count count) {
  return add_test(r, compound,
                  (lpb_html_selector_test){
                      .kind = LPB_HTML_TEST_NTH, .count = count, .b = 1, .list = NONE});
}

typedef struct pseudo {
  const char *name;
  bool (*read)(reader *r, int compound, int which);
  int which;
} pseudo;

static bool close_kind(reader *r, int c, int kind) {
  return add_kind(r, c, (lpb_html_selector_kind)kind);
}

static bool close_count(reader *r, int c, int count) {
  return add_nth_of_type(r, c, (lpb_html_selector_count)count);
}

static bool close_only_child(reader *r, int c, int unused) {
  (void)unused;
  return add_kind(r, c, LPB_HTML_TEST_FIRST_CHILD) && add_kind(r, c, LPB_HTML_TEST_LAST_CHILD);
}

static bool close_only_of_type(reader *r, int c, int unused) {
  (void)unused;
  return add_nth_of_type(r, c, LPB_HTML_COUNT_TYPE) &&
         add_nth_of_type(r, c, LPB_HTML_COUNT_LAST_TYPE);
}

static bool open_count(reader *r, int c, int count) {
  return read_count(r, c, (lpb_html_selector_count)count);
}

static bool open_text(reader *r, int c, int kind) {
  return read_text(r, c, (lpb_html_selector_kind)kind);
}

static bool open_is(reader *r, int c, int kind) {
  return read_is(r, c, (lpb_html_selector_kind)kind);
}

/* Pseudo-classes without an argument, and those with one. */
static const pseudo CLOSED[] = {
    {"first-child", close_kind, LPB_HTML_TEST_FIRST_CHILD},
    {"last-child", close_kind, LPB_HTML_TEST_LAST_CHILD},
    {"only-child", close_only_child, 0},
    {"first-of-type", close_count, LPB_HTML_COUNT_TYPE},
    {"last-of-type", close_count, LPB_HTML_COUNT_LAST_TYPE},
    {"only-of-type", close_only_of_type, 0},
    {"root", close_kind, LPB_HTML_TEST_ROOT},
    {"scope", close_kind, LPB_HTML_TEST_SCOPE},
    {"empty", close_kind, LPB_HTML_TEST_EMPTY},
    {"checked", close_kind, LPB_HTML_TEST_CHECKED},
    {"enabled", close_kind, LPB_HTML_TEST_ENABLED},
    {"disabled", close_kind, LPB_HTML_TEST_DISABLED},
    {"link", close_kind, LPB_HTML_TEST_LINK},
    {"any-link", close_kind, LPB_HTML_TEST_LINK},
    {"visited", close_kind, LPB_HTML_TEST_NEVER},
    {"hover", close_kind, LPB_HTML_TEST_NEVER},
    {"active", close_kind, LPB_HTML_TEST_NEVER},
    {"focus", close_kind, LPB_HTML_TEST_NEVER},
    {"target", close_kind, LPB_HTML_TEST_NEVER},
};
static const pseudo OPEN[] = {
    {"nth-child", open_count, LPB_HTML_COUNT_CHILD},
    {"nth-last-child", open_count, LPB_HTML_COUNT_LAST_CHILD},
    {"nth-of-type", open_count, LPB_HTML_COUNT_TYPE},
    {"nth-last-of-type", open_count, LPB_HTML_COUNT_LAST_TYPE},
    {"is", open_is, LPB_HTML_TEST_IS},
    {"where", open_is, LPB_HTML_TEST_IS},
    {"not", open_is, LPB_HTML_TEST_NOT},
    {"has", open_is, LPB_HTML_TEST_HAS},
    {"lang", open_text, LPB_HTML_TEST_LANG},
    {"contains", open_text, LPB_HTML_TEST_CONTAINS},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool unknown(reader *r, const char *what, const char *name, const pseudo *known,
                    size_t count) {
  static _Thread_local const char *names[COUNT(CLOSED) + 1];
  lpb_html_scan_fault *fault = r->scan.fault;
  for (size_t i = 0; i < count; i++) names[i] = known[i].name;
  names[count] = NULL;
  strncat(fault->unknown, name, sizeof fault->unknown - 1);
  fault->known = names;
  return lpb_html_scan_fail(&r->scan, "unknown %s%s'", what, fault->unknown);
}

static bool read_pseudo_class(reader *r, int compound) {
  const char *name = lpb_html_scan_name(&r->scan, "the name of a pseudo-class", NULL);
  if (!name) return false;
  bool open = lpb_html_scan_take(&r->scan, '(');
  const pseudo *known = open ? OPEN : CLOSED;
  size_t count = open ? COUNT(OPEN) : COUNT(CLOSED);
  for (size_t i = 0; i < count; i++)
    if (strcasecmp(name, known[i].name) == 0) return known[i].read(r, compound, known[i].which);
  return unknown(r, "pseudo-class ':", name, known, count);
}

/* ::text and ::attr(name), at the end of a complex selector. */
static bool read_pseudo_element(reader *r, where in, lpb_html_selector_complex *complex) {
  static const pseudo ELEMENTS[] = {{"text", NULL, 0}, {"attr", NULL, 0}};
  lpb_html_scan *s = &r->scan;
  if (in != AT_TOP) return lpb_html_scan_fail(s, "no pseudo-element may stand here");
  s->at += 2;
  const char *name = lpb_html_scan_name(s, "the name of a pseudo-element", NULL);
  if (!name) return false;
  r->selector->gives_strings = true;
  if (strcasecmp(name, "text") == 0) {
    complex->result = LPB_HTML_RESULT_TEXT;
    return true;
  }
  if (strcasecmp(name, "attr") != 0)
    return unknown(r, "pseudo-element '::", name, ELEMENTS, COUNT(ELEMENTS));
  complex->result = LPB_HTML_RESULT_ATTRIBUTE;
  if (!lpb_html_scan_expect(s, '(')) return false;
  lpb_html_scan_space(s);
  if (!read_name(r, &complex->attribute, "the name of an attribute", false)) return false;
  lpb_html_scan_space(s);
  return lpb_html_scan_expect(s, ')');
}

static bool at_pseudo_element(const lpb_html_scan *s) {
  return lpb_html_scan_peek(s, 0) == ':' && lpb_html_scan_peek(s, 1) == ':';
}

static bool read_value_test(reader *r, int compound, lpb_html_selector_kind kind) {
  lpb_html_selector_test test = {.kind = kind, .list = NONE};
  const char *what = kind == LPB_HTML_TEST_ID ? "an id" : "a class";
  test.value = lpb_html_scan_name(&r->scan, what, &test.length);
  return test.value && add_test(r, compound, test);
}

/* The tests of one element, up to what is none. */
static bool read_tests(reader *r, int compound) {
  lpb_html_scan *s = &r->scan;
  size_t start = s->at;
  if (lpb_html_scan_at_name(s) || lpb_html_scan_peek(s, 0) == '*' ||
      lpb_html_scan_peek(s, 0) == '|') {
    lpb_html_selector_test test = {.kind = LPB_HTML_TEST_TYPE, .list = NONE};
    if (!read_name(r, &test.name, "a name", true)) return false;
    bool any = !test.name.prefix && !test.name.local;
    if (!any && !add_test(r, compound, test)) return false;
  }
  for (bool ok = true; !at_pseudo_element(s);) {
    if (lpb_html_scan_take(s, '#')) {
      ok = read_value_test(r, compound, LPB_HTML_TEST_ID);
    } else if (lpb_html_scan_take(s, '.')) {
      ok = read_value_test(r, compound, LPB_HTML_TEST_CLASS);
    } else if (lpb_html_scan_take(s, '[')) {
      ok = read_attribute(r, compound);
    } else if (lpb_html_scan_take(s, ':')) {
      ok = read_pseudo_class(r, compound);
    } else {
      break;
    }
    if (!ok) return false;
  }
  if (s->at > start || at_pseudo_element(s)) return true;
  return lpb_html_scan_fail(s, "expected a selector");
}

/* The combinator behind a compound; 0 where the complex selector ends. */
static char read_combinator(reader *r) {
  lpb_html_scan *s = &r->scan;
  bool space = lpb_html_scan_space(s);
  char c = lpb_html_scan_peek(s, 0);
  if (c == '>' || c == '+' || c == '~') {
    s->at++;
    lpb_html_scan_space(s);
    return c;
  }
  if (s->at >= s->length || c == ',' || (c == ')' && r->depth > 0)) return 0;
  if (!space) lpb_html_scan_unexpected(s);
  return space ? ' ' : 0;
}

/* Appends a compound to the chain whose end is `left`, or begins one. */
static int read_compound(reader *r, int left, char combinator) {
  int i = new_compound(r);
  if (i == NONE) return NONE;
  compound_at(r, i)->combinator = combinator;
  compound_at(r, i)->left = left;
  if (left != NONE) compound_at(r, left)->right = i;
  return read_tests(r, i) ? i : NONE;
}

/* What stands in front of a selector that begins with a combinator, or with ::text alone: the
 * element that is asked. */
static int read_scope(reader *r) {
  int i = new_compound(r);
  return i != NONE && add_kind(r, i, LPB_HTML_TEST_SCOPE) ? i : NONE;
}

/* Reads the compounds of a complex selector and their combinators. */
static bool read_chain(reader *r, where in, lpb_html_selector_complex *complex) {
  lpb_html_scan *s = &r->scan;
  char combinator = lpb_html_scan_peek(s, 0);
  bool relative = combinator && strchr(">+~", combinator), alone = at_pseudo_element(s);
  int left = NONE;
  if (in == IN_LIST) relative = false;
  if (relative) {
    s->at++;
    lpb_html_scan_space(s);
  } else {
    combinator = ' ';
  }
  complex->behind = relative && combinator != '>';
  if (in == AT_TOP && (relative || alone) && (left = read_scope(r)) == NONE) return false;
  complex->first = left;
  do {
    alone = at_pseudo_element(s) && combinator == ' ';
    left = read_compound(r, left, alone ? 's' : combinator);
    if (left == NONE) return false;
    if (complex->first == NONE) complex->first = left;
    complex->last = left;
    if (at_pseudo_element(s)) {
      if (!read_pseudo_element(r, in, complex)) return false;
      lpb_html_scan_space(s);
      bool ends = s->at >= s->length || lpb_html_scan_peek(s, 0) == ',';
      return ends || lpb_html_scan_unexpected(s);
    }
  } while ((combinator = read_combinator(r)));
  return !s->failed;
}

static bool read_list(reader *r, where in, int *list) {
  lpb_html_selector *s = r->selector;
  int last = NONE;
  *list = NONE;
  do {
    lpb_html_selector_complex complex = {.first = NONE, .last = NONE, .next = NONE};
    lpb_html_scan_space(&r->scan);
    if (!read_chain(r, in, &complex)) return false;
    int i = extend(r, &s->complexes, &s->complex_count, sizeof *s->complexes);
    if (i == NONE) return false;
    s->complexes[i] = complex;
    if (last == NONE)
      *list = i;
    else
      s->complexes[last].next = i;
    last = i;
  } while (lpb_html_scan_take(&r->scan, ','));
  return true;
}

bool lpb_html_selector_open(lpb_html_selector *s, const char *text, size_t length,
                            lpb_html_scan_fault *fault) {
  *fault = (lpb_html_scan_fault){.column = 1};
  s->strings = lp_alloc_new(lpb_html_scan_room(length));
  if (!s->strings) return false;
  reader r = {.scan = {.text = text, .length = length, .strings = s->strings, .fault = fault},
              .selector = s};
  if (!read_list(&r, AT_TOP, &s->list)) return false;
  return r.scan.at >= length || lpb_html_scan_unexpected(&r.scan);
}

void lpb_html_selector_close(lpb_html_selector *s) {
  for (int i = 0; i < s->test_count; i++) lp_alloc_free(s->tests[i].retry);
  lp_alloc_free(s->tests);
  lp_alloc_free(s->compounds);
  lp_alloc_free(s->complexes);
  lp_alloc_free(s->strings);
  *s = (lpb_html_selector){0};
}
