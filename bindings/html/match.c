/* bindings/html/match.c: tests of one element, and the ways from an element to others.
 *
 * A slot of the memo is about a topic and a compound or test of the selector. A run asks a
 * node, then its parent or sibling, and so on. Where the question costs little its answers are
 * kept at one node in sixteen: the next run that comes by meets one soon, and the table stays
 * small. Where it makes runs of its own they are kept at each node. Layer: bindings. */
#include "bindings/html/match.h"

#include <libxml/HTMLtree.h>
#include <string.h>
#include <strings.h>

#include "bindings/html/attribute.h"
#include "bindings/html/tree.h"

enum { NONE = LPB_HTML_SELECTOR_NONE };

/* What a slot holds answers of. */
typedef enum topic {
  TOPIC_LEFT,
  TOPIC_RIGHT,
  TOPIC_INSIDE,
  TOPIC_TEST,
  TOPIC_NUMBER,
  TOPIC_NUMBER_OF,
  TOPIC_TYPE,
  TOPICS,
} topic;

static intptr_t slot(topic about, int i) {
  return (intptr_t)i * TOPICS + about;
}

typedef lpb_html_selector_test test;
typedef lpb_html_selector_compound compound;

static const compound *compound_of(lpb_html_match *m, int i) {
  return &m->selector->compounds[i];
}

static void keep(lpb_html_match *m, const void *node, intptr_t at, uint64_t value) {
  if (!lpb_html_memo_set(&m->memo, node, at, value)) m->limit->state = LPB_HTML_LIMIT_NO_MEMORY;
}

/* ---- runs: a node, and from it to its parent or a sibling, and on ---- */

/* What a node says to the question of a run: no, so that the next one is asked, or yes or no
 * for the whole run. */
typedef enum verdict { GO_ON, FOUND, STOP } verdict;

typedef verdict ask(lpb_html_match *m, int what, xmlNode *node);
typedef xmlNode *way(xmlNode *node);

/* What a run asks. */
typedef struct question {
  ask *of;
  int what;
  intptr_t slot;
  /* It makes runs of its own. */
  bool costly;
} question;

/* Are answers kept at this node? */
static bool is_kept(const question *q, const xmlNode *node) {
  return q->costly || lpb_html_memo_hash(node, 0) % 16 == 0;
}

/* Is the answer yes for this node or one that the way leads to? */
static bool run(lpb_html_match *m, question q, way *next, xmlNode *from) {
  uint64_t answer = 0;
  xmlNode *node = from;
  bool keeps = false;
  for (; node && lpb_html_limit_step(m->limit); node = next(node)) {
    if (is_kept(&q, node)) {
      if (lpb_html_memo_get(&m->memo, node, q.slot, &answer)) break;
      keeps = true;
    }
    verdict v = q.of(m, q.what, node);
    answer = v == FOUND;
    if (v != GO_ON) break;
  }
  for (xmlNode *passed = from; keeps && passed; passed = next(passed)) {
    if (is_kept(&q, passed)) keep(m, passed, q.slot, answer);
    if (passed == node) break;
  }
  return answer;
}

/* ---- to the left: the compounds in front of one that has matched ---- */

static bool tests_hold(lpb_html_match *m, int first, xmlNode *e);
static verdict asks_left(lpb_html_match *m, int i, xmlNode *e);

static bool matches(lpb_html_match *m, int i, xmlNode *e) {
  const compound *c = compound_of(m, i);
  if (!tests_hold(m, c->tests, e)) return false;
  if (c->left == NONE) return true;
  const compound *left = compound_of(m, c->left);
  question q = {asks_left, c->left, slot(TOPIC_LEFT, i), left->has_list || left->left != NONE};
  xmlNode *near;
  switch (c->combinator) {
  case '>': near = lpb_html_tree_parent(e); return near && matches(m, c->left, near);
  case '+': near = lpb_html_tree_prev(e); return near && matches(m, c->left, near);
  case '~': return run(m, q, lpb_html_tree_prev, lpb_html_tree_prev(e));
  case 's': return run(m, q, lpb_html_tree_parent, e);
  default: return run(m, q, lpb_html_tree_parent, lpb_html_tree_parent(e));
  }
}

static verdict asks_left(lpb_html_match *m, int i, xmlNode *e) {
  return matches(m, i, e) ? FOUND : GO_ON;
}

/* ---- to the right: the compounds of :has ---- */

static bool finds_right(lpb_html_match *m, int i, xmlNode *e);

/* Does this element match the compound, and what stands right of that? */
static bool begins(lpb_html_match *m, int i, xmlNode *e) {
  const compound *c = compound_of(m, i);
  return tests_hold(m, c->tests, e) && (c->right == NONE || finds_right(m, c->right, e));
}

static verdict asks_right(lpb_html_match *m, int i, xmlNode *e) {
  return begins(m, i, e) ? FOUND : GO_ON;
}

/* Does an element inside e begin the rest of the chain? Each that is passed is noted as having
 * none inside; then those that have the one that was found are corrected. */
static bool finds_inside(lpb_html_match *m, int i, xmlNode *e) {
  intptr_t at = slot(TOPIC_INSIDE, i);
  uint64_t known;
  if (lpb_html_memo_get(&m->memo, e, at, &known)) return known;
  keep(m, e, at, false);
  xmlNode *n = lpb_html_tree_first(e);
  while (n && lpb_html_limit_step(m->limit)) {
    bool parent = lpb_html_tree_first(n), passed = false;
    if (parent) passed = lpb_html_memo_get(&m->memo, n, at, &known);
    if ((passed && known) || begins(m, i, n)) {
      for (xmlNode *p = n->parent; p != e->parent; p = p->parent) keep(m, p, at, true);
      return true;
    }
    if (parent && !passed) keep(m, n, at, false);
    n = passed ? lpb_html_tree_skip(n, e) : lpb_html_tree_after(n, e);
  }
  return false;
}

/* Does an element stand right of e as the combinator of compound i says, and begin the rest? */
static bool finds_right(lpb_html_match *m, int i, xmlNode *e) {
  const compound *c = compound_of(m, i);
  question q = {asks_right, i, slot(TOPIC_RIGHT, i), c->has_list || c->right != NONE};
  xmlNode *next = lpb_html_tree_next(e);
  switch (c->combinator) {
  case '>':
    for (xmlNode *n = lpb_html_tree_first(e); n && lpb_html_limit_step(m->limit);
         n = lpb_html_tree_next(n))
      if (begins(m, i, n)) return true;
    return false;
  case '+': return next && begins(m, i, next);
  case '~': return run(m, q, lpb_html_tree_next, next);
  default: return finds_inside(m, i, e);
  }
}

static bool has(lpb_html_match *m, int list, xmlNode *e) {
  for (int i = list; i != NONE; i = m->selector->complexes[i].next)
    if (finds_right(m, m->selector->complexes[i].first, e)) return true;
  return false;
}

/* ---- counting siblings ---- */

/* The name of an element as a pointer that is the same for equal names. */
static const void *name_key(lpb_html_match *m, const xmlNode *e) {
  if (!m->names) m->names = xmlDictCreate();
  const xmlChar *space = e->ns ? e->ns->href : NULL;
  const void *key = m->names ? xmlDictQLookup(m->names, space, e->name) : NULL;
  if (!key) m->limit->state = LPB_HTML_LIMIT_NO_MEMORY;
  return key;
}

/* Counts one more of this type among the children that are being counted. */
static uint64_t count_type(lpb_html_match *m, const xmlNode *e) {
  const void *key = name_key(m, e);
  uint64_t before = 0;
  if (!key) return 0;
  bool here = lpb_html_memo_get(&m->memo, key, slot(TOPIC_TYPE, 0), &before) &&
              before >> 32 == m->counted;
  uint64_t count = here ? (before & 0xFFFFFFFF) + 1 : 1;
  keep(m, key, slot(TOPIC_TYPE, 0), m->counted << 32 | count);
  return count;
}

/* Numbers the siblings of e, itself among them, from the first or the last on. */
static void count_siblings(lpb_html_match *m, const test *t, intptr_t at, xmlNode *e) {
  bool of_type = t->count >= LPB_HTML_COUNT_TYPE;
  bool backward = t->count == LPB_HTML_COUNT_LAST_CHILD || t->count == LPB_HTML_COUNT_LAST_TYPE;
  way *next = backward ? lpb_html_tree_prev : lpb_html_tree_next;
  uint64_t count = 0;
  m->counted++;
  for (xmlNode *n = lpb_html_tree_end(e, backward); n && lpb_html_limit_step(m->limit);
       n = next(n)) {
    bool counts = t->list == NONE || lpb_html_match_list(m, t->list, n);
    if (of_type) {
      count = count_type(m, n);
    } else if (counts) {
      count++;
    }
    keep(m, n, at, counts ? count : 0);
  }
}

static bool holds_nth(lpb_html_match *m, const test *t, xmlNode *e) {
  int own = (int)(t - m->selector->tests);
  intptr_t at =
      t->list == NONE ? slot(TOPIC_NUMBER, (int)t->count) : slot(TOPIC_NUMBER_OF, own);
  uint64_t number;
  if (!lpb_html_memo_get(&m->memo, e, at, &number)) {
    count_siblings(m, t, at, e);
    if (!lpb_html_memo_get(&m->memo, e, at, &number)) return false;
  }
  if (number == 0) return false;
  int64_t beyond = (int64_t)number - t->b;
  return t->a == 0 ? beyond == 0 : beyond % t->a == 0 && beyond / t->a >= 0;
}

/* ---- tests of a run of ancestors ---- */

static bool is_one_of(const xmlNode *e, const char *const *names) {
  for (; e->type == XML_ELEMENT_NODE && *names; names++)
    if (strcmp((const char *)e->name, *names) == 0) return true;
  return false;
}

static bool has_attribute(const xmlNode *e, const char *name) {
  return lpb_html_attribute_find(e, &(lpb_html_selector_name){NULL, name, name});
}

/* A node is disabled by a fieldset around it, unless it is in the first legend of that. */
static verdict asks_disabled(lpb_html_match *m, int unused, xmlNode *e) {
  static const char *const LEGEND[] = {"legend", NULL}, *const FIELDSET[] = {"fieldset", NULL};
  (void)m, (void)unused;
  const xmlNode *parent = lpb_html_tree_parent(e);
  if (!parent || !is_one_of(parent, FIELDSET) || !has_attribute(parent, "disabled"))
    return GO_ON;
  if (!is_one_of(e, LEGEND)) return FOUND;
  for (xmlNode *n = lpb_html_tree_prev(e); n; n = lpb_html_tree_prev(n))
    if (is_one_of(n, LEGEND)) return FOUND;
  return GO_ON;
}

/* An option in a disabled group or select is disabled, too. */
static bool is_in_disabled(const xmlNode *e) {
  static const char *const AROUND[] = {"optgroup", NULL};
  const xmlNode *parent = lpb_html_tree_parent((xmlNode *)e);
  return parent && is_one_of(parent, AROUND) && has_attribute(parent, "disabled");
}

static bool is_enabled(lpb_html_match *m, const test *t, xmlNode *e) {
  static const char *const ALONE[] = {"optgroup", "option", NULL};
  static const char *const INSIDE[] = {"button",   "input",    "select",
                                       "textarea", "fieldset", NULL};
  bool alone = is_one_of(e, ALONE), inside = is_one_of(e, INSIDE);
  if (!alone && !inside) return false;
  bool disabled = has_attribute(e, "disabled");
  if (!disabled && alone) disabled = is_in_disabled(e);
  question q = {asks_disabled, 0, slot(TOPIC_TEST, m->selector->test_count), false};
  if (!disabled && inside) disabled = run(m, q, lpb_html_tree_parent, e);
  return disabled == (t->kind == LPB_HTML_TEST_DISABLED);
}

/* The nearest lang decides: "en" is that of "en" and "en-GB". */
static verdict asks_language(lpb_html_match *m, int i, xmlNode *e) {
  static const lpb_html_selector_name LANG = {NULL, "lang", "lang"};
  const test *t = &m->selector->tests[i];
  const xmlAttr *attribute = lpb_html_attribute_find(e, &LANG);
  if (!attribute) return GO_ON;
  lpb_html_attribute_text text = lpb_html_attribute_read(attribute);
  bool is = strncasecmp(text.bytes, t->value, t->length) == 0 && t->length > 0 &&
            (text.bytes[t->length] == '\0' || text.bytes[t->length] == '-');
  lpb_html_attribute_done(&text);
  return is ? FOUND : STOP;
}

/* ---- :contains ---- */

static bool is_text(const xmlNode *n) {
  return n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE;
}

/* Passes over a text; `met` bytes of the needle were met before. The bytes up to the end of
 * the needle, or 0 when it is not in here. */
static size_t pass(const test *t, const char *text, size_t *met, size_t *length) {
  size_t i = 0;
  for (; text[i]; i++) {
    while (*met > 0 && text[i] != t->value[*met]) *met = (size_t)t->retry[*met - 1];
    if (text[i] == t->value[*met]) ++*met;
    if (*met == t->length) return i + 1;
  }
  *length = i;
  return 0;
}

/* Does the text inside e contain the value? The memo has where the text of an element begins,
 * above two bits: 0 it does not, 1 it does, 2 it is to be looked through again. An element that
 * is passed over does not, at first; when the end of the value is met those around all of it
 * do, and those that begin within the value are to be looked through again. */
static bool contains(lpb_html_match *m, const test *t, xmlNode *e) {
  intptr_t at = slot(TOPIC_TEST, (int)(t - m->selector->tests));
  uint64_t known;
  if (t->length == 0) return true;
  if (lpb_html_memo_get(&m->memo, e, at, &known) && !(known & 2)) return known & 1;
  size_t met = 0, before = 0;
  keep(m, e, at, 0);
  xmlNode *n = e->children;
  bool inner = false;
  for (; n && lpb_html_limit_step(m->limit); n = lpb_html_tree_after_any(n, e)) {
    if (n->type == XML_ELEMENT_NODE && n->children) {
      inner = lpb_html_memo_get(&m->memo, n, at, &known) && known & 1;
      if (inner) break;
      keep(m, n, at, (uint64_t)before << 2);
    }
    if (!is_text(n) || !n->content) continue;
    size_t length = 0, end = pass(t, (const char *)n->content, &met, &length);
    m->limit->steps += length / 64;
    before += end ? end : length;
    if (end) break;
  }
  if (!n || m->limit->state != LPB_HTML_LIMIT_OPEN) return false;
  for (xmlNode *p = n->parent; p != e; p = p->parent) {
    bool around = lpb_html_memo_get(&m->memo, p, at, &known) &&
                  (inner || (known >> 2) + t->length <= before);
    keep(m, p, at, around ? 1 : 2);
  }
  keep(m, e, at, 1);
  return true;
}

/* ---- tests of the element itself ---- */

static bool is_type(const lpb_html_selector_name *name, const xmlNode *e) {
  return lpb_html_attribute_names(name, e->ns, (const char *)e->name,
                                  e->doc->type == XML_HTML_DOCUMENT_NODE);
}

static bool is_empty(const xmlNode *e) {
  for (const xmlNode *n = e->children; n; n = n->next)
    if (n->type == XML_ELEMENT_NODE || (is_text(n) && n->content && *n->content)) return false;
  return true;
}

static bool is_checked(const xmlNode *e) {
  static const char *const INPUT[] = {"input", NULL}, *const OPTION[] = {"option", NULL};
  static const lpb_html_selector_name TYPE = {NULL, "type", "type"};
  if (is_one_of(e, OPTION)) return has_attribute(e, "selected");
  if (!is_one_of(e, INPUT) || !has_attribute(e, "checked")) return false;
  const xmlAttr *type = lpb_html_attribute_find(e, &TYPE);
  if (!type) return false;
  lpb_html_attribute_text text = lpb_html_attribute_read(type);
  bool is = strcasecmp(text.bytes, "checkbox") == 0 || strcasecmp(text.bytes, "radio") == 0;
  lpb_html_attribute_done(&text);
  return is;
}

static bool is_link(const xmlNode *e) {
  static const char *const LINKS[] = {"a", "area", "link", NULL};
  return is_one_of(e, LINKS) && has_attribute(e, "href");
}

static bool holds(lpb_html_match *m, const test *t, xmlNode *e) {
  int own = (int)(t - m->selector->tests);
  switch (t->kind) {
  case LPB_HTML_TEST_TYPE: return is_type(&t->name, e);
  case LPB_HTML_TEST_ID:
  case LPB_HTML_TEST_CLASS:
  case LPB_HTML_TEST_ATTRIBUTE: return lpb_html_attribute_fits(t, e);
  case LPB_HTML_TEST_FIRST_CHILD: return !lpb_html_tree_prev(e);
  case LPB_HTML_TEST_LAST_CHILD: return !lpb_html_tree_next(e);
  case LPB_HTML_TEST_NTH: return holds_nth(m, t, e);
  case LPB_HTML_TEST_IS: return lpb_html_match_list(m, t->list, e);
  case LPB_HTML_TEST_NOT: return !lpb_html_match_list(m, t->list, e);
  case LPB_HTML_TEST_HAS: return has(m, t->list, e);
  case LPB_HTML_TEST_ROOT: return !e->parent || e->parent->type != XML_ELEMENT_NODE;
  case LPB_HTML_TEST_SCOPE: return e == m->scope;
  case LPB_HTML_TEST_EMPTY: return is_empty(e);
  case LPB_HTML_TEST_CHECKED: return is_checked(e);
  case LPB_HTML_TEST_ENABLED:
  case LPB_HTML_TEST_DISABLED: return is_enabled(m, t, e);
  case LPB_HTML_TEST_LINK: return is_link(e);
  case LPB_HTML_TEST_LANG:
    return run(m, (question){asks_language, own, slot(TOPIC_TEST, own), false},
               lpb_html_tree_parent, e);
  case LPB_HTML_TEST_CONTAINS: return contains(m, t, e);
  case LPB_HTML_TEST_NEVER: return false;
  }
  return false;
}

/* Of a document, only :scope holds. */
static bool tests_hold(lpb_html_match *m, int first, xmlNode *e) {
  if (e->type != XML_ELEMENT_NODE) {
    const test *t = first == NONE ? NULL : &m->selector->tests[first];
    return t && t->kind == LPB_HTML_TEST_SCOPE && t->next == NONE && e == m->scope;
  }
  for (int i = first; i != NONE; i = m->selector->tests[i].next)
    if (!holds(m, &m->selector->tests[i], e)) return false;
  return true;
}

bool lpb_html_match_complex(lpb_html_match *m, int complex, xmlNode *element) {
  return matches(m, m->selector->complexes[complex].last, element);
}

bool lpb_html_match_list(lpb_html_match *m, int list, xmlNode *element) {
  for (int i = list; i != NONE; i = m->selector->complexes[i].next)
    if (lpb_html_match_complex(m, i, element)) return true;
  return false;
}

void lpb_html_match_close(lpb_html_match *m) {
  lpb_html_memo_close(&m->memo);
  if (m->names) xmlDictFree(m->names);
  m->names = NULL;
}
