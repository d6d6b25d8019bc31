/* bindings/html/prepare.c: one linear pass over the markup, before it is parsed.
 *
 * It reads tags as the parsers do, and copies what it need not touch: most pages of few
 * references cost no copy at all. Scripts, styles and comments stay as they are. Layer:
 * bindings; any process. */
#include "bindings/html/prepare.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bindings/html/entity.h"
#include "runtime/base/error.h"

typedef struct word {
  const char *at;
  size_t len;
} word;

/* The pass. Bytes before `kept` are in `out`, or were left out. */
typedef struct pass {
  const char *p, *end, *kept;
  lp_buf *out;
  lpb_html_prepare_for parser;
  /* Attributes of all html elements: a second one adds its own to the first. */
  unsigned of_root;
  /* For Gumbo, the elements that are open, without those that others close. */
  word open[LPB_HTML_PREPARE_DEPTH];
  size_t depth;
  /* A document type of XML had no end. */
  bool endless;
  bool failed;
} pass;

/* BLANK: a space, as libxml2 has it; NAME: of a name that it can read; TEXT_STOP: ends a piece
 * of text; VALUE_STOP: ends an unquoted value; NAME_STOP: ends the name of an attribute. */
enum { BLANK = 1, NAME = 2, TEXT_STOP = 4, VALUE_STOP = 8, NAME_STOP = 16 };

static const unsigned char classes[256] = {
    ['a' ... 'z'] = NAME,
    ['A' ... 'Z'] = NAME,
    ['0' ... '9'] = NAME,
    [':'] = NAME,
    ['-'] = NAME,
    ['_'] = NAME,
    ['.'] = NAME,
    [' '] = BLANK | VALUE_STOP | NAME_STOP,
    ['\t'] = BLANK | VALUE_STOP | NAME_STOP,
    ['\n'] = BLANK | VALUE_STOP | NAME_STOP,
    ['\r'] = BLANK | VALUE_STOP | NAME_STOP,
    ['\f'] = VALUE_STOP | NAME_STOP,
    ['<'] = TEXT_STOP,
    ['&'] = TEXT_STOP,
    ['>'] = VALUE_STOP | NAME_STOP,
    ['='] = NAME_STOP,
    ['/'] = NAME_STOP,
};

static bool is(const char *p, unsigned class) {
  return classes[(unsigned char)*p] & class;
}

static bool is_xml(const pass *s) {
  return s->parser >= LPB_HTML_PREPARE_XML;
}

/* Does this parser get its references decoded? */
static bool decodes(const pass *s) {
  return s->parser == LPB_HTML_PREPARE_LIBXML || s->parser == LPB_HTML_PREPARE_XML;
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void append(pass *s, const void *bytes, size_t n) {
  if (lp_buf_append(s->out, bytes, n) != 0) s->failed = true;
}

/* Copies what was left as it is, up to `at`. */
static void keep(pass *s, const char *at) {
  append(s, s->kept, (size_t)(at - s->kept));
  s->kept = at;
}

static void replace(pass *s, const char *from, const char *to, const char *by) {
  keep(s, from);
  append(s, by, strlen(by));
  s->kept = to;
}

/* "&" that begins no reference: libxml2 would swallow "&#", and of XML all that follows. */
static void keep_ampersand(pass *s, const char *end) {
  if (is_xml(s) || (s->p + 1 < end && s->p[1] == '#')) replace(s, s->p, s->p + 1, "&#38;");
  s->p++;
}

/* The reference at s->p becomes its text, of which ASCII is written as a number: it means
 * itself in every place then. Control characters can be in no XML. */
static void decode_reference(pass *s, const char *end, bool in_attribute) {
  char text[LPB_HTML_ENTITY_MAX], number[8];
  size_t len, read = lpb_html_entity_read(s->p, end, in_attribute, text, &len);
  if (read == 0 || (is_xml(s) && s->p[read - 1] != ';')) {
    keep_ampersand(s, end);
    return;
  }
  keep(s, s->p);
  for (size_t i = 0; i < len; i++) {
    if ((unsigned char)text[i] >= 0x80) {
      append(s, text + i, 1);
    } else if (is_xml(s) && (unsigned char)text[i] < ' ' && !is(text + i, BLANK)) {
      append(s, "\xEF\xBF\xBD", 3);
    } else {
      append(s, number, (size_t)snprintf(number, sizeof number, "&#%d;", text[i]));
    }
  }
  s->kept = s->p += read;
}

static void decode_value(pass *s, const char *end) {
  while ((s->p = memchr(s->p, '&', (size_t)(end - s->p)))) decode_reference(s, end, true);
  s->p = end;
}

/* A piece of the tag: an attribute with its value. */
typedef struct attribute {
  const char *at, *name_end, *value, *value_end, *end;
} attribute;

/* Where a quoted value ends; in XML also at "<", which it may not hold. */
static const char *find_quote(const pass *s, char quote, const char *p) {
  const char *close = memchr(p, quote, (size_t)(s->end - p));
  if (!close) close = s->end;
  const char *less = is_xml(s) ? memchr(p, '<', (size_t)(close - p)) : 0;
  return less ? less : close;
}

static attribute read_attribute(const pass *s) {
  const char *p = s->p, *end = s->end;
  attribute a = {.at = p};
  if (p < end && *p == '=') p++; /* a name may begin with it */
  while (p < end && !is(p, NAME_STOP)) p++;
  a.name_end = p;
  const char *equals = p;
  while (equals < end && is(equals, BLANK)) equals++;
  if (equals == end || *equals != '=') {
    a.value = a.value_end = a.end = p;
    return a;
  }
  for (p = equals + 1; p < end && is(p, BLANK);) p++;
  a.value = p;
  if (p < end && (*p == '"' || *p == '\'')) {
    a.value++;
    a.value_end = find_quote(s, *p, a.value);
    a.end = a.value_end < end && *a.value_end == *p ? a.value_end + 1 : a.value_end;
    return a;
  }
  while (p < end && !is(p, VALUE_STOP)) p++;
  a.value_end = a.end = p;
  return a;
}

/* Can libxml2 read the name? It would split what has other characters or is too long. */
static bool is_readable(const attribute *a) {
  enum { TOO_LONG = 100 };
  const char *p = a->at;
  if (a->name_end - p >= TOO_LONG) return false;
  if (p == a->name_end || !(is_letter(*p) || *p == '_' || *p == ':' || *p == '.')) return false;
  while (p < a->name_end && is(p, NAME)) p++;
  return p == a->name_end;
}

/* Reads the attributes; s->p is then at ">", or at "/>", or at the end. */
static void read_attributes(pass *s, unsigned *count) {
  bool libxml = s->parser == LPB_HTML_PREPARE_LIBXML;
  while (s->p < s->end && *s->p != '>') {
    if (*s->p == '/' && s->p + 1 < s->end && s->p[1] == '>') return;
    if (*s->p == '/' || *s->p == '\f' || is(s->p, BLANK)) {
      if (libxml && !is(s->p, BLANK)) replace(s, s->p, s->p + 1, " ");
      s->p++;
      continue;
    }
    attribute a = read_attribute(s);
    if (++*count > LPB_HTML_PREPARE_ATTRIBUTES || (libxml && !is_readable(&a))) {
      replace(s, a.at, a.end, " ");
    } else if (decodes(s)) {
      s->p = a.value;
      decode_value(s, a.value_end);
    }
    s->p = a.end;
  }
}

static bool is_one_of(word name, const char *const *names) {
  for (; *names; names++)
    if (strlen(*names) == name.len && strncasecmp(*names, name.at, name.len) == 0) return true;
  return false;
}

/* Skips to behind `mark`, or to the end. */
static void skip_behind(pass *s, const char *mark) {
  const char *found = memmem(s->p, (size_t)(s->end - s->p), mark, strlen(mark));
  s->p = found ? found + strlen(mark) : s->end;
}

/* Skips the text of a script or a style: to `</name`. The end tag of a longer name is text. */
static void skip_raw(pass *s, word name) {
  while ((s->p = memchr(s->p, '<', (size_t)(s->end - s->p)))) {
    if ((size_t)(s->end - s->p) < name.len + 3) break;
    if (s->p[1] != '/' || strncasecmp(s->p + 2, name.at, name.len) != 0) {
      s->p++;
    } else if (is(s->p + 2 + name.len, NAME)) {
      skip_behind(s, ">");
    } else {
      return;
    }
  }
  s->p = s->end;
}

static bool is_same(word a, word b) {
  return a.len == b.len && strncasecmp(a.at, b.at, a.len) == 0;
}

/* Gumbo looks through all open elements at many tags. An element that would be too deep is put
 * beside its parent: the parent's end is written before it. Elements without content, and those
 * that the next of their kind closes, do not count. */
static void open_element(pass *s, word name) {
  static const char *const uncounted[] = {
      "area",     "base",  "basefont", "bgsound", "body",  "br",    "caption",  "col",
      "colgroup", "dd",    "dt",       "embed",   "frame", "head",  "hr",       "html",
      "img",      "input", "keygen",   "li",      "link",  "meta",  "optgroup", "option",
      "p",        "param", "rb",       "rp",      "rt",    "rtc",   "source",   "tbody",
      "td",       "tfoot", "th",       "thead",   "tr",    "track", "wbr",      NULL};
  if (s->parser != LPB_HTML_PREPARE_GUMBO || is_one_of(name, uncounted)) return;
  if (s->depth == LPB_HTML_PREPARE_DEPTH) {
    word parent = s->open[--s->depth];
    replace(s, name.at - 1, name.at - 1, "</");
    append(s, parent.at, parent.len);
    append(s, ">", 1);
  }
  s->open[s->depth++] = name;
}

static void close_element(pass *s, word name) {
  size_t i = s->depth;
  while (i > 0 && !is_same(s->open[i - 1], name)) i--;
  if (i > 0) s->depth = i - 1;
}

/* Reads the name of the tag, as the parser does; s->p is then behind it. */
static word read_name(pass *s, const char *at) {
  bool libxml = s->parser == LPB_HTML_PREPARE_LIBXML;
  word name = {at, 0};
  for (s->p = at; s->p < s->end; s->p++)
    if (libxml ? !is(s->p, NAME) : is(s->p, VALUE_STOP) || *s->p == '/') break;
  name.len = (size_t)(s->p - name.at);
  return name;
}

static void read_end_tag(pass *s) {
  word name = read_name(s, s->p + 2);
  if (s->parser == LPB_HTML_PREPARE_GUMBO) close_element(s, name);
  skip_behind(s, ">");
}

static void read_start_tag(pass *s) {
  static const char *const raw[] = {"script", "style", NULL}, *const root[] = {"html", NULL};
  /* Those of HTML5 that libxml2 takes for elements with content. */
  static const char *const empty[] = {"wbr",    "source",  "track", "embed",
                                      "keygen", "bgsound", NULL};
  word name = read_name(s, s->p + 1);
  unsigned count = 0;
  open_element(s, name);
  read_attributes(s, is_one_of(name, root) ? &s->of_root : &count);
  bool closed = s->p < s->end && *s->p == '/';
  if (s->parser == LPB_HTML_PREPARE_LIBXML && !closed && is_one_of(name, empty)) {
    replace(s, s->p, s->p, " /");
  }
  if (closed && s->parser == LPB_HTML_PREPARE_GUMBO) close_element(s, name);
  if (s->p < s->end) s->p += 1 + closed;
  if (!is_xml(s) && !closed && is_one_of(name, raw)) skip_raw(s, name);
}

/* A comment of XML may hold no "--"; libxml2 would copy it at each. */
static void skip_comment(pass *s) {
  s->p += is_xml(s) ? 4 : 2; /* "<!-->" is whole in HTML */
  while ((s->p = memmem(s->p, (size_t)(s->end - s->p), "--", 2))) {
    const char *after = s->p + 2;
    if (after < s->end && *after == '!' && !is_xml(s)) after++;
    if (after < s->end && *after == '>') {
      s->p = after + 1;
      return;
    }
    s->p++;
    if (s->parser == LPB_HTML_PREPARE_XML) replace(s, s->p, s->p, " ");
  }
  s->p = s->end;
}

/* A document type ends at the first ">", also where a quote is open. libxml2 would read on. */
static void skip_doctype(pass *s) {
  const char *start = s->p, *quote = NULL;
  skip_behind(s, ">");
  for (const char *p = start; p < s->p; p++) {
    if (quote ? *p == *quote : *p == '"' || *p == '\'') quote = quote ? NULL : p;
  }
  if (quote && s->parser == LPB_HTML_PREPARE_LIBXML) replace(s, start, s->p, "<!DOCTYPE html>");
}

/* Where the document type at p ends, with all that it declares; NULL where it does not. */
static const char *find_doctype_end(const char *p, const char *end) {
  bool inside = false;
  for (; p && p < end; p++) {
    if (*p == '"' || *p == '\'')
      p = memchr(p + 1, *p, (size_t)(end - p - 1));
    else if (end - p > 4 && memcmp(p, "<!--", 4) == 0)
      p = memmem(p, (size_t)(end - p), "-->", 3);
    else if (end - p > 2 && memcmp(p, "<?", 2) == 0)
      p = memmem(p, (size_t)(end - p), "?>", 2);
    else if (*p == '[')
      inside = true;
    else if (*p == ']')
      inside = false;
    else if (*p == '>' && !inside)
      return p + 1;
    if (!p) break;
  }
  return NULL;
}

/* The document type of XML is left out, but for its lines, which errors count. One that does
 * not end is, as one of HTML, over at the first ">"; then so are all behind it. */
static void drop_doctype(pass *s) {
  const char *start = s->p;
  const char *behind = s->endless ? NULL : find_doctype_end(start, s->end);
  if (!behind) {
    s->endless = true;
    skip_behind(s, ">");
    behind = s->p;
  }
  replace(s, start, behind, "");
  for (const char *p = start; p < behind; p++)
    if (*p == '\n') append(s, "\n", 1);
  s->p = behind;
}

static bool starts(const pass *s, const char *with) {
  size_t n = strlen(with);
  return (size_t)(s->end - s->p) >= n && strncasecmp(s->p, with, n) == 0;
}

/* Reads what begins with "<". */
static void read_markup(pass *s) {
  bool xml = is_xml(s);
  char next = s->p + 1 < s->end ? s->p[1] : ' ', after = s->p + 2 < s->end ? s->p[2] : ' ';
  if (is_letter(next) || next == '_' || next == ':' || (xml && (next & 0x80))) {
    read_start_tag(s);
  } else if (next == '?') {
    if (xml || is_letter(after))
      skip_behind(s, xml ? "?>" : ">");
    else
      s->p += 2;
  } else if (next == '/') {
    if (is_letter(after))
      read_end_tag(s);
    else
      s->p += 2;
  } else if (starts(s, "<!--")) {
    skip_comment(s);
  } else if (starts(s, "<!doctype")) {
    if (xml)
      drop_doctype(s);
    else
      skip_doctype(s);
  } else if (xml && starts(s, "<![CDATA[")) {
    skip_behind(s, "]]>");
  } else {
    s->p++;
  }
}

int lpb_html_prepare(const char *text, size_t len, lpb_html_prepare_for parser, lp_buf *out) {
  pass s = {.p = text, .end = text + len, .kept = text, .out = out, .parser = parser};
  while (s.p < s.end && !s.failed) {
    while (s.p < s.end && !is(s.p, TEXT_STOP)) s.p++;
    if (s.p == s.end) break;
    if (*s.p == '<') {
      read_markup(&s);
    } else if (decodes(&s)) {
      decode_reference(&s, s.end, false);
    } else {
      s.p++;
    }
  }
  if (s.kept > text) {
    keep(&s, s.end);
    if (lp_buf_reserve(out, 1) != 0) s.failed = true; /* it may be empty now */
  }
  return s.failed ? LP_EMEMORY : 0;
}
