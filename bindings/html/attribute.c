/* bindings/html/attribute.c: attributes stand in a list; most have one text. Layer: bindings.
 */
#include "bindings/html/attribute.h"

#include <string.h>
#include <strings.h>

static bool equal(const char *a, const char *b) {
  return a[0] == b[0] && strcmp(a, b) == 0;
}

/* "svg:use" is the name of prefix "svg" and "use". */
static bool is_qualified(const char *name, const char *prefix, const char *local) {
  size_t n = strlen(prefix);
  return strncmp(name, prefix, n) == 0 && name[n] == ':' && equal(name + n + 1, local);
}

/* The prefix by which selectors know a namespace: the caller's of xml.parse, or the document's.
 */
static const char *prefix_of(const xmlNs *space) {
  return space->_private ? space->_private : (const char *)space->prefix;
}

static bool is_local(const lpb_html_selector_name *name, const xmlNs *space,
                     const char *local) {
  if (equal(local, name->local)) return true;
  if (!space || !prefix_of(space)) return false;
  return is_qualified(name->local, prefix_of(space), local); /* written as a\:b */
}

/* The part of a name behind its prefix, where a parser has left both in one. */
static const char *behind_prefix(const char *local) {
  const char *colon = strchr(local, ':');
  return colon && colon[1] ? colon + 1 : local;
}

bool lpb_html_attribute_names(const lpb_html_selector_name *name, const xmlNs *space,
                              const char *local, bool html) {
  const char *prefix = name->prefix;
  if (!prefix) {
    if (!name->local) return true;
    return is_local(name, space, local) ||
           (html && name->lower != name->local && equal(local, name->lower));
  }
  if (prefix[0] == '\0') {
    if (space && space->href) return false;
  } else if (space && prefix_of(space)) {
    if (!equal(prefix_of(space), prefix)) return false;
  } else {
    const char *behind = behind_prefix(local);
    size_t n = strlen(prefix);
    if (behind == local || (size_t)(behind - local) != n + 1) return false;
    if (strncasecmp(local, prefix, n) != 0) return false;
    local = behind;
  }
  return !name->local || equal(local, name->local) || (html && equal(local, name->lower));
}

xmlAttr *lpb_html_attribute_find(const xmlNode *node, const lpb_html_selector_name *name) {
  if (node->type != XML_ELEMENT_NODE) return NULL;
  bool html = node->doc && node->doc->type == XML_HTML_DOCUMENT_NODE;
  for (xmlAttr *a = node->properties; a; a = a->next)
    if (lpb_html_attribute_names(name, a->ns, (const char *)a->name, html)) return a;
  return NULL;
}

lpb_html_attribute_text lpb_html_attribute_read(const xmlAttr *attribute) {
  const xmlNode *first = attribute->children;
  if (!first) return (lpb_html_attribute_text){"", NULL};
  if (!first->next && first->type == XML_TEXT_NODE)
    return (lpb_html_attribute_text){first->content ? (const char *)first->content : "", NULL};
  xmlChar *text = xmlNodeListGetString(attribute->doc, first, 1);
  return (lpb_html_attribute_text){text ? (const char *)text : "", text};
}

void lpb_html_attribute_done(lpb_html_attribute_text *text) {
  if (text->owned) xmlFree(text->owned);
  *text = (lpb_html_attribute_text){"", NULL};
}

static bool same(const char *a, const char *b, size_t n, bool fold) {
  return fold ? strncasecmp(a, b, n) == 0 : memcmp(a, b, n) == 0;
}

/* Is it one of the words of the text? */
static bool has_word(const char *text, const char *word, size_t n, bool fold) {
  static const char SPACES[] = " \t\n\r\f";
  if (n == 0) return false;
  for (text += strspn(text, SPACES); *text; text += strspn(text, SPACES)) {
    size_t length = strcspn(text, SPACES);
    if (length == n && same(text, word, n, fold)) return true;
    text += length;
  }
  return false;
}

static bool has_part(const char *text, size_t length, const char *part, size_t n, bool fold) {
  if (!fold) return memmem(text, length, part, n);
  for (size_t i = 0; i + n <= length; i++)
    if (strncasecmp(text + i, part, n) == 0) return true;
  return false;
}

/* As the operator says; nothing begins with, ends with or contains an empty value. */
static bool compare(const lpb_html_selector_test *t, const char *text) {
  size_t length = strlen(text), n = t->length;
  bool fits = n <= length, begins = fits && same(text, t->value, n, t->fold);
  switch (t->operator) {
  case '=': return length == n && begins;
  case '!': return !(length == n && begins);
  case '~': return has_word(text, t->value, n, t->fold);
  case '|': return begins && (text[n] == '\0' || text[n] == '-');
  case '^': return n > 0 && begins;
  case '$': return n > 0 && fits && same(text + length - n, t->value, n, t->fold);
  default: return n > 0 && fits && has_part(text, length, t->value, n, t->fold);
  }
}

bool lpb_html_attribute_fits(const lpb_html_selector_test *t, const xmlNode *element) {
  static const lpb_html_selector_name ID = {NULL, "id", "id"}, CLASS = {NULL, "class", "class"};
  bool is_id = t->kind == LPB_HTML_TEST_ID, is_class = t->kind == LPB_HTML_TEST_CLASS;
  const xmlAttr *a = lpb_html_attribute_find(element, is_id      ? &ID
                                                      : is_class ? &CLASS
                                                                 : &t->name);
  if (!a) return t->operator== '!';
  if (!is_id && !is_class && !t->operator) return true;
  lpb_html_attribute_text text = lpb_html_attribute_read(a);
  bool fits = is_class ? has_word(text.bytes, t->value, t->length, false)
              : is_id  ? strcmp(text.bytes, t->value) == 0
                       : compare(t, text.bytes);
  lpb_html_attribute_done(&text);
  return fits;
}
