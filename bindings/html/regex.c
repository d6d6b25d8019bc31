/* bindings/html/regex.c: EXSLT's regular expressions, see http://exslt.org/regexp. re:match
 * returns elements `match` of a document of its own: of the first match the whole and each
 * group, with the flag g each match. Layer: bindings. */
#include "bindings/html/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <libxml/xpathInternals.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"

static const xmlChar PREFIX[] = "re", SPACE[] = "http://exslt.org/regular-expressions";

/* How many ways a pattern may try from one place of a text on: some tenths of a second. */
enum { MOST_WAYS = 1000000 };

typedef struct lpb_html_regex_pattern {
  struct lpb_html_regex_pattern *next;
  pcre2_code *code;
  pcre2_match_data *match;
  pcre2_match_context *limits;
  /* Its text, and its flags behind a zero byte. */
  char text[];
} pattern;

static uint32_t options_of(const char *flags) {
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF;
  if (strchr(flags, 'i')) options |= PCRE2_CASELESS;
  if (strchr(flags, 'm')) options |= PCRE2_MULTILINE;
  if (strchr(flags, 's')) options |= PCRE2_DOTALL;
  if (strchr(flags, 'x')) options |= PCRE2_EXTENDED;
  return options;
}

static pattern *compile(lpb_html_regex *r, const char *text, const char *flags) {
  size_t n = strlen(text) + 1;
  pattern *p = lp_alloc_new(sizeof *p + n + strlen(flags) + 1);
  int code = 0;
  PCRE2_SIZE at = 0;
  if (!p) return NULL;
  memcpy(p->text, text, n);
  memcpy(p->text + n, flags, strlen(flags) + 1);
  p->next = r->patterns;
  r->patterns = p;
  p->code = pcre2_compile((PCRE2_SPTR)text, n - 1, options_of(flags), &code, &at, NULL);
  if (!p->code) {
    char why[120];
    pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
    snprintf(r->fault, sizeof r->fault, "the pattern: %s at column %zu of it", why, at + 1);
    return NULL;
  }
  p->match = pcre2_match_data_create_from_pattern(p->code, NULL);
  p->limits = pcre2_match_context_create(NULL);
  if (!p->match || !p->limits) return NULL;
  pcre2_set_match_limit(p->limits, MOST_WAYS);
  return p;
}

/* The compiled pattern, or NULL when it is wrong or there is no memory. */
static pattern *find(lpb_html_regex *r, const char *text, const char *flags) {
  for (pattern *p = r->patterns; p; p = p->next)
    if (strcmp(p->text, text) == 0 && strcmp(p->text + strlen(text) + 1, flags) == 0)
      return p->limits ? p : NULL;
  return compile(r, text, flags);
}

/* The number of groups of the first match from a place on, at least 1; 0: there is none. */
static int match(lpb_html_regex *r, pattern *p, const xmlChar *text, size_t length,
                 size_t from) {
  int count = pcre2_match(p->code, text, length, from, 0, p->match, p->limits);
  if (count > 0) return count;
  if (count != PCRE2_ERROR_NOMATCH) r->late = true;
  return 0;
}

/* The arguments of both functions: a text, a pattern and perhaps flags. */
typedef struct arguments {
  xmlChar *text, *pattern, *flags;
} arguments;

static bool take(xmlXPathParserContext *ctxt, int count, arguments *a) {
  *a = (arguments){0};
  if (count < 2 || count > 3) {
    xmlXPathSetArityError(ctxt);
    return false;
  }
  a->flags = count == 3 ? xmlXPathPopString(ctxt) : xmlStrdup((const xmlChar *)"");
  a->pattern = xmlXPathPopString(ctxt);
  a->text = xmlXPathPopString(ctxt);
  return a->flags && a->pattern && a->text && ctxt->error == 0;
}

static void give_back(arguments *a) {
  xmlFree(a->text);
  xmlFree(a->pattern);
  xmlFree(a->flags);
}

/* Ends a function: the evaluation stops when the pattern was wrong or has given up. */
static void finish(xmlXPathParserContext *ctxt, const lpb_html_regex *r, xmlXPathObject *value,
                   bool ok) {
  if (value && ok && !r->late) {
    valuePush(ctxt, value);
    return;
  }
  xmlXPathFreeObject(value);
  if (ctxt->error == 0) xmlXPathSetError(ctxt, ok ? XPATH_EXPR_ERROR : XPATH_MEMORY_ERROR);
}

static void re_test(xmlXPathParserContext *ctxt, int count) {
  lpb_html_regex *r = ctxt->context->extra;
  arguments a;
  pattern *p = NULL;
  bool found = false;
  if (take(ctxt, count, &a)) p = find(r, (char *)a.pattern, (char *)a.flags);
  if (p) found = match(r, p, a.text, strlen((char *)a.text), 0);
  finish(ctxt, r, p ? xmlXPathNewBoolean(found) : NULL, p);
  give_back(&a);
}

/* The element that those of matches stand in. */
static xmlNode *root_of(lpb_html_regex *r) {
  if (!r->made) {
    r->made = xmlNewDoc(NULL);
    xmlNode *root =
        r->made ? xmlNewDocNode(r->made, NULL, (const xmlChar *)"matches", NULL) : NULL;
    if (root) xmlDocSetRootElement(r->made, root);
  }
  return r->made ? xmlDocGetRootElement(r->made) : NULL;
}

/* Appends an element with a part of the text. */
static bool add(lpb_html_regex *r, xmlNodeSet *set, const xmlChar *text, size_t length) {
  xmlNode *root = root_of(r), *content = NULL;
  xmlNode *node = root ? xmlNewChild(root, NULL, (const xmlChar *)"match", NULL) : NULL;
  if (node) content = xmlNewDocTextLen(r->made, text, (int)length);
  return content && xmlAddChild(node, content) && xmlXPathNodeSetAdd(set, node) == 0;
}

/* The matches of a text, one behind the other. An empty one is passed by a character. */
static bool add_all(lpb_html_regex *r, pattern *p, xmlNodeSet *set, const xmlChar *text) {
  size_t length = strlen((const char *)text), from = 0;
  bool ok = true;
  while (ok && from <= length && match(r, p, text, length, from) > 0) {
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(p->match);
    ok = add(r, set, text + place[0], place[1] - place[0]);
    from = place[1] > place[0] ? place[1] : place[1] + 1;
    while (from < length && (text[from] & 0xC0) == 0x80) from++;
  }
  return ok;
}

/* The whole of the first match, and its groups; "" for one that took no part. */
static bool add_groups(lpb_html_regex *r, pattern *p, xmlNodeSet *set, const xmlChar *text) {
  bool ok = true;
  if (match(r, p, text, strlen((const char *)text), 0) == 0) return true;
  const PCRE2_SIZE *place = pcre2_get_ovector_pointer(p->match);
  uint32_t groups = pcre2_get_ovector_count(p->match);
  for (uint32_t i = 0; i < groups && ok; i++) {
    bool part = place[2 * i] != PCRE2_UNSET;
    size_t start = part ? place[2 * i] : 0, end = part ? place[2 * i + 1] : 0;
    ok = add(r, set, text + start, end - start);
  }
  return ok;
}

static void re_match(xmlXPathParserContext *ctxt, int count) {
  lpb_html_regex *r = ctxt->context->extra;
  arguments a;
  pattern *p = NULL;
  xmlXPathObject *value = NULL;
  bool ok = false;
  if (take(ctxt, count, &a)) p = find(r, (char *)a.pattern, (char *)a.flags);
  if (p) value = xmlXPathNewNodeSet(NULL);
  if (value && !value->nodesetval) value->nodesetval = xmlXPathNodeSetCreate(NULL);
  if (value && value->nodesetval)
    ok = strchr((char *)a.flags, 'g') ? add_all(r, p, value->nodesetval, a.text)
                                      : add_groups(r, p, value->nodesetval, a.text);
  finish(ctxt, r, value, ok);
  give_back(&a);
}

bool lpb_html_regex_register(xmlXPathContext *context) {
  return xmlXPathRegisterNs(context, PREFIX, SPACE) == 0 &&
         xmlXPathRegisterFuncNS(context, (const xmlChar *)"test", SPACE, re_test) == 0 &&
         xmlXPathRegisterFuncNS(context, (const xmlChar *)"match", SPACE, re_match) == 0;
}

void lpb_html_regex_close(lpb_html_regex *r) {
  while (r->patterns) {
    pattern *p = r->patterns;
    r->patterns = p->next;
    pcre2_code_free(p->code);
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->limits);
    lp_alloc_free(p);
  }
  if (r->made) xmlFreeDoc(r->made);
  r->made = NULL;
}
