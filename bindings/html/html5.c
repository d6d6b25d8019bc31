/* bindings/html/html5.c: HTML to the tree of a browser: Gumbo's tree becomes one of libxml2, on
 * which all methods of nodes work.
 *
 * Elements have no namespaces there, so that "//svg/path" finds them as in the fast parser's
 * tree, and nest as deep as those. No function here calls itself, however deep the page is;
 * what Gumbo allocates goes back in one step, since its own function for that does call itself.
 * Layer: bindings; any process. */
#include "bindings/html/html5.h"

#include <gumbo.h>
#include <libxml/HTMLtree.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "bindings/html/arena.h"
#include "bindings/html/prepare.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

/* A node of Gumbo whose children are being copied, and which of them is next. */
typedef struct level {
  const GumboVector *children;
  unsigned next;
} level;

/* The copying. `depth` levels are open; `parent` is the node of the innermost that has one. */
typedef struct copy {
  xmlDoc *doc;
  xmlNode *parent;
  level *levels;
  size_t depth, room;
} copy;

/* Names are shared by all nodes of the document. */
static const xmlChar *shared(const copy *c, const char *name, size_t len) {
  return xmlDictLookup(c->doc->dict, (const xmlChar *)name, (int)len);
}

static const xmlChar *element_name(const copy *c, const GumboElement *e) {
  const char *known = gumbo_normalized_tagname(e->tag);
  GumboStringPiece piece = e->original_tag;
  bool html = e->tag_namespace == GUMBO_NAMESPACE_HTML && e->tag != GUMBO_TAG_UNKNOWN;
  if (html || piece.length == 0) return shared(c, known, strlen(known));
  gumbo_tag_from_original_text(&piece);
  const char *svg =
      e->tag_namespace == GUMBO_NAMESPACE_SVG ? gumbo_normalize_svg_tagname(&piece) : NULL;
  if (svg) return shared(c, svg, strlen(svg));
  char *lower = lp_alloc_new(piece.length + 1);
  if (!lower) return NULL;
  for (size_t i = 0; i < piece.length; i++) {
    char ch = piece.data[i];
    lower[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch);
  }
  const xmlChar *name = shared(c, lower, piece.length);
  lp_alloc_free(lower);
  return name;
}

/* "xlink:href", as the page has it and the fast parser gives it. */
static const xmlChar *attribute_name(const copy *c, const GumboAttribute *a) {
  static const char *const prefixes[] = {"", "xlink:", "xml:", "xmlns:"};
  char full[64];
  if (a->attr_namespace == GUMBO_ATTR_NAMESPACE_NONE || strcmp(a->name, "xmlns") == 0)
    return shared(c, a->name, strlen(a->name));
  int len = snprintf(full, sizeof full, "%s%s", prefixes[a->attr_namespace], a->name);
  return shared(c, full, (size_t)len < sizeof full ? (size_t)len : sizeof full - 1);
}

static xmlNode *copy_element(const copy *c, const GumboElement *e) {
  const xmlChar *name = element_name(c, e);
  xmlNode *node = name ? xmlNewDocNodeEatName(c->doc, NULL, (xmlChar *)name, NULL) : NULL;
  if (!node) return NULL;
  for (unsigned i = 0; i < e->attributes.length; i++) {
    const GumboAttribute *a = e->attributes.data[i];
    const xmlChar *key = attribute_name(c, a);
    if (key && xmlNewNsPropEatName(node, NULL, (xmlChar *)key, (const xmlChar *)a->value))
      continue;
    xmlFreeNode(node);
    return NULL;
  }
  return node;
}

static xmlNode *copy_node(const copy *c, const GumboNode *node) {
  const xmlChar *text = (const xmlChar *)node->v.text.text;
  switch (node->type) {
  case GUMBO_NODE_ELEMENT:
  case GUMBO_NODE_TEMPLATE: return copy_element(c, &node->v.element);
  case GUMBO_NODE_COMMENT: return xmlNewDocComment(c->doc, text);
  default: return xmlNewDocText(c->doc, text);
  }
}

static bool open_level(copy *c, const GumboVector *children) {
  if (c->depth == c->room) {
    size_t room = c->room ? c->room * 2 : 64;
    level *levels = lp_alloc_resize(c->levels, room * sizeof *levels);
    if (!levels) return false;
    c->levels = levels;
    c->room = room;
  }
  c->levels[c->depth++] = (level){children, 0};
  return true;
}

/* Copies the next node of the innermost level, or closes the level. An element that is too deep
 * opens a level, too, and its children then stand beside it. Returns false for want of memory.
 */
static bool copy_next(copy *c) {
  level *at = &c->levels[c->depth - 1];
  if (at->next == at->children->length) {
    c->depth--;
    if (c->depth > 0 && c->depth < LPB_HTML_PREPARE_DEPTH) c->parent = c->parent->parent;
    return true;
  }
  const GumboNode *node = at->children->data[at->next++];
  xmlNode *made = copy_node(c, node);
  if (!made) return false;
  made = xmlAddChild(c->parent, made); /* frees a text that it joins to another */
  if (node->type != GUMBO_NODE_ELEMENT && node->type != GUMBO_NODE_TEMPLATE) return true;
  if (c->depth < LPB_HTML_PREPARE_DEPTH) c->parent = made;
  return open_level(c, &node->v.element.children);
}

static bool copy_doctype(xmlDoc *doc, const GumboDocument *from) {
  if (!from->has_doctype) return true;
  const char *public = from->public_identifier, *system = from->system_identifier;
  return xmlCreateIntSubset(doc, (const xmlChar *)from->name,
                            *public ? (const xmlChar *)public : NULL,
                            *system ? (const xmlChar *)system : NULL) != NULL;
}

static xmlDoc *copy_tree(const GumboDocument *from) {
  copy c = {.doc = htmlNewDocNoDtD(NULL, NULL)};
  if (!c.doc) return NULL;
  c.parent = (xmlNode *)c.doc;
  c.doc->dict = xmlDictCreate();
  bool ok = c.doc->dict && copy_doctype(c.doc, from) && open_level(&c, &from->children);
  while (ok && c.depth > 0) ok = copy_next(&c);
  lp_alloc_free(c.levels);
  if (ok) return c.doc;
  xmlFreeDoc(c.doc);
  return NULL;
}

/* Runs Gumbo in the arena, and copies. */
static int parse(const char *text, size_t len, lpb_html_arena *arena, xmlDoc **doc) {
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = lpb_html_arena_alloc;
  options.deallocator = lpb_html_arena_free;
  options.userdata = arena;
  options.max_errors = 0;
  int code = setjmp(arena->out);
  if (code != 0) return code;
  GumboOutput *output = gumbo_parse_with_options(&options, text, len);
  *doc = copy_tree(&output->document->v.document);
  return *doc ? 0 : LP_EMEMORY;
}

int lpb_html_html5_parse(const char *text, size_t len, xmlDoc **doc) {
  /* Honest pages take less than a tenth of it. */
  enum { BYTES = 64 << 20, BYTES_A_BYTE = 400, SECONDS = 2, BYTES_A_SECOND = 1 << 20 };
  lp_buf prepared = {0};
  lpb_html_arena arena;
  int code = lpb_html_prepare(text, len, LPB_HTML_PREPARE_GUMBO, &prepared);
  if (prepared.data) {
    text = prepared.data;
    len = prepared.len;
  }
  lpb_html_arena_init(&arena, BYTES + len * BYTES_A_BYTE,
                      SECONDS + (double)len / BYTES_A_SECOND);
  if (code == 0) code = parse(text, len, &arena, doc);
  lpb_html_arena_close(&arena);
  lp_buf_close(&prepared);
  return code;
}
