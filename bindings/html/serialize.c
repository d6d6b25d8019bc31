/* bindings/html/serialize.c: markup as the HTML standard serializes it (13.3), so that it is
 * what a browser's outerHTML gives: nothing is indented, no address is escaped, nothing is
 * added. Documents that are XML have their empty elements closed. Layer: bindings. */
#include "bindings/html/serialize.h"

#include <string.h>

typedef struct writer {
  luaL_Buffer buffer;
  size_t written, most;
  bool html;
} writer;

static void put(writer *w, const char *text, size_t n) {
  luaL_addlstring(&w->buffer, text, n);
  w->written += n;
}

static void put_text(writer *w, const char *text) {
  put(w, text, strlen(text));
}

/* What stands for a byte in a text or in the value of an attribute, or NULL: itself. */
static const char *escape_of(const char *c, bool value) {
  switch (*c) {
  case '&': return "&amp;";
  case '<': return value ? NULL : "&lt;";
  case '>': return value ? NULL : "&gt;";
  case '"': return value ? "&quot;" : NULL;
  case '\xC2': return c[1] == '\xA0' ? "&nbsp;" : NULL;
  default: return NULL;
  }
}

/* XML knows no &nbsp;, and refuses < in a value. */
static const char *xml_escape_of(const char *c, bool value) {
  if (*c == '<') return "&lt;";
  return *c == '\xC2' ? NULL : escape_of(c, value);
}

static void put_escaped(writer *w, const char *text, bool value) {
  const char *start = text;
  for (; *text && w->written <= w->most; text++) {
    const char *escape = w->html ? escape_of(text, value) : xml_escape_of(text, value);
    if (!escape) {
      if (text - start < 4096) continue;
      put(w, start, (size_t)(text - start));
      start = text;
      continue;
    }
    put(w, start, (size_t)(text - start));
    put_text(w, escape);
    if (*text == '\xC2') text++;
    start = text + 1;
  }
  put(w, start, (size_t)(text - start));
}

static bool is_one_of(const char *name, const char *const *names) {
  for (; *names; names++)
    if (strcmp(name, *names) == 0) return true;
  return false;
}

/* Elements without an end, and those whose text is no markup. */
static bool is_void(const char *name) {
  static const char *const VOID[] = {"area",   "base",   "basefont", "bgsound", "br",
                                     "col",    "embed",  "frame",    "hr",      "img",
                                     "input",  "keygen", "link",     "meta",    "param",
                                     "source", "track",  "wbr",      NULL};
  return is_one_of(name, VOID);
}

static bool is_raw(const xmlNode *parent) {
  static const char *const RAW[] = {"style",   "script",   "xmp",       "iframe",
                                    "noembed", "noframes", "plaintext", NULL};
  return parent && parent->type == XML_ELEMENT_NODE &&
         is_one_of((const char *)parent->name, RAW);
}

static void put_between(writer *w, const char *start, const xmlChar *text, const char *end) {
  put_text(w, start);
  if (text) put_text(w, (const char *)text);
  put_text(w, end);
}

static void put_name(writer *w, const xmlNs *space, const xmlChar *name) {
  if (space && space->prefix) {
    put_text(w, (const char *)space->prefix);
    put(w, ":", 1);
  }
  put_text(w, (const char *)name);
}

static void put_value(writer *w, const char *value) {
  put(w, "=\"", 2);
  put_escaped(w, value, true);
  put(w, "\"", 1);
}

/* The parts of a value are texts, and in XML references. */
static void put_attribute(writer *w, const xmlAttr *a) {
  put(w, " ", 1);
  put_name(w, a->ns, a->name);
  put(w, "=\"", 2);
  for (const xmlNode *n = a->children; n; n = n->next) {
    if (n->type == XML_ENTITY_REF_NODE)
      put_between(w, "&", n->name, ";");
    else if (n->content)
      put_escaped(w, (const char *)n->content, true);
  }
  put(w, "\"", 1);
}

static void put_spaces(writer *w, const xmlNs *space) {
  for (; space; space = space->next) {
    put_text(w, space->prefix ? " xmlns:" : " xmlns");
    if (space->prefix) put_text(w, (const char *)space->prefix);
    put_value(w, space->href ? (const char *)space->href : "");
  }
}

static void put_start(writer *w, const xmlNode *e) {
  put(w, "<", 1);
  put_name(w, e->ns, e->name);
  if (!w->html) put_spaces(w, e->nsDef);
  for (const xmlAttr *a = e->properties; a && w->written <= w->most; a = a->next)
    put_attribute(w, a);
  put_text(w, !w->html && !e->children ? "/>" : ">");
}

static void put_end(writer *w, const xmlNode *e) {
  if (e->type != XML_ELEMENT_NODE) return;
  if (w->html ? is_void((const char *)e->name) : !e->children) return;
  put(w, "</", 2);
  put_name(w, e->ns, e->name);
  put(w, ">", 1);
}

static void put_instruction(writer *w, const xmlNode *n) {
  put_between(w, "<?", n->name, n->content ? " " : "");
  put_between(w, "", n->content, w->html ? ">" : "?>");
}

/* Writes a node, or of one that holds others what stands in front of them. */
static void put_node(writer *w, const xmlNode *n) {
  switch (n->type) {
  case XML_ELEMENT_NODE: put_start(w, n); break;
  case XML_CDATA_SECTION_NODE:
    if (!w->html) {
      put_between(w, "<![CDATA[", n->content, "]]>");
      break;
    } /* fall through */
  case XML_TEXT_NODE:
    if (!n->content) break;
    if (w->html && is_raw(n->parent))
      put_text(w, (const char *)n->content);
    else
      put_escaped(w, (const char *)n->content, false);
    break;
  case XML_ENTITY_REF_NODE: put_between(w, "&", n->name, ";"); break;
  case XML_COMMENT_NODE: put_between(w, "<!--", n->content, "-->"); break;
  case XML_PI_NODE: put_instruction(w, n); break;
  case XML_DTD_NODE: put_between(w, "<!DOCTYPE ", n->name, ">"); break;
  default: break;
  }
}

static bool is_open(const xmlNode *n) {
  return n->children && (n->type == XML_ELEMENT_NODE || n->type == XML_DOCUMENT_NODE ||
                         n->type == XML_HTML_DOCUMENT_NODE);
}

bool lpb_html_serialize_push(lua_State *L, xmlNode *node, bool outer, size_t most) {
  writer w = {.most = most, .html = node->doc->type == XML_HTML_DOCUMENT_NODE};
  luaL_buffinit(L, &w.buffer);
  const xmlNode *n = node;
  if (outer) put_node(&w, n);
  if (is_open(n)) n = n->children;
  while (n != node && w.written <= w.most) {
    put_node(&w, n);
    if (is_open(n)) {
      n = n->children;
      continue;
    }
    put_end(&w, n);
    while (n != node && !n->next) {
      n = n->parent;
      if (n != node) put_end(&w, n);
    }
    if (n != node) n = n->next;
  }
  if (outer && w.written <= w.most) put_end(&w, node);
  luaL_pushresult(&w.buffer);
  return w.written <= w.most;
}
