/* bindings/charset/sniff.c: what a document says of its own charset: WHATWG's prescan.
 *
 * Only meta elements are believed, and not what looks like one inside a comment, a script, a
 * style or a title. The search ends where the head does, however long it is, and not before
 * 1,024 bytes have been looked at, as browsers do. Linear in the text. Layer: bindings. */
#include "bindings/charset/sniff.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { AT_LEAST = 1024 };

/* A piece of the text. */
typedef struct piece {
  const char *at;
  size_t len;
} piece;

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is(piece p, const char *word) {
  return p.len == strlen(word) && strncasecmp(p.at, word, p.len) == 0;
}

static bool is_one_of(piece name, const char *const *words) {
  for (; *words; words++)
    if (is(name, *words)) return true;
  return false;
}

static const lpb_charset_label *named(const char *label) {
  return lpb_charset_label_find(label, strlen(label));
}

const lpb_charset_label *lpb_charset_sniff_mark(const char *text, size_t len, size_t *mark) {
  /* Longer marks first. */
  static const struct {
    const char *bytes;
    size_t len;
    const char *label;
  } marks[] = {{"\xFF\xFE\0\0", 4, "utf-32le"},
               {"\0\0\xFE\xFF", 4, "utf-32be"},
               {"\xEF\xBB\xBF", 3, "utf-8"},
               {"\xFF\xFE", 2, "utf-16le"},
               {"\xFE\xFF", 2, "utf-16be"}};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
    if (len < marks[i].len || memcmp(text, marks[i].bytes, marks[i].len) != 0) continue;
    *mark = marks[i].len;
    return named(marks[i].label);
  }
  *mark = 0;
  return NULL;
}

const lpb_charset_label *lpb_charset_sniff_zeros(const char *text, size_t len) {
  enum { PAIRS = 256 };
  size_t pairs = len / 2 < PAIRS ? len / 2 : PAIRS, first = 0, second = 0;
  for (size_t i = 0; i < pairs; i++) {
    first += text[2 * i] == '\0';
    second += text[2 * i + 1] == '\0';
  }
  if (pairs < 2) return NULL;
  if (second * 2 > pairs && first * 16 <= pairs) return named("utf-16le");
  if (first * 2 > pairs && second * 16 <= pairs) return named("utf-16be");
  return NULL;
}

const char *lpb_charset_sniff_parameter(const char *type, size_t len, size_t *found) {
  static const char word[] = "charset";
  const char *end = type + len;
  for (const char *p = type; (size_t)(end - p) >= sizeof word - 1; p++) {
    if (strncasecmp(p, word, sizeof word - 1) != 0) continue;
    if (p > type && (is_letter(p[-1]) || p[-1] == '-')) continue;
    const char *at = p + sizeof word - 1;
    while (at < end && is_blank(*at)) at++;
    if (at == end || *at != '=') continue;
    at++;
    while (at < end && is_blank(*at)) at++;
    char quote = at < end && (*at == '"' || *at == '\'') ? *at++ : '\0';
    const char *stop = at;
    while (stop < end && (quote ? *stop != quote : !is_blank(*stop) && !strchr(";,", *stop)))
      stop++;
    *found = (size_t)(stop - at);
    return at;
  }
  return NULL;
}

/* Reads the next attribute of a tag and returns where it ends; an empty name at the tag's end.
 */
static const char *read_attribute(const char *p, const char *end, piece *name, piece *value) {
  while (p < end && (is_blank(*p) || *p == '/')) p++;
  name->at = p;
  while (p < end && !is_blank(*p) && *p != '/' && *p != '>' && (*p != '=' || p == name->at))
    p++;
  name->len = (size_t)(p - name->at);
  *value = (piece){p, 0};
  const char *equals = p;
  while (equals < end && is_blank(*equals)) equals++;
  if (name->len == 0 || equals == end || *equals != '=') return p;
  for (p = equals + 1; p < end && is_blank(*p);) p++;
  char quote = p < end && (*p == '"' || *p == '\'') ? *p++ : '\0';
  value->at = p;
  while (p < end && (quote ? *p != quote : !is_blank(*p) && *p != '>')) p++;
  value->len = (size_t)(p - value->at);
  return quote && p < end ? p + 1 : p;
}

static const char *skip_attributes(const char *p, const char *end) {
  for (piece name = {p, 1}, value; name.len > 0;) p = read_attribute(p, end, &name, &value);
  return p;
}

/* What the attributes of a meta element say; `*p` moves behind them. What has been read so far
 * is in ASCII, so it is not in UTF-16, whatever it says. */
static const lpb_charset_label *read_meta(const char **p, const char *end) {
  piece name = {*p, 1}, value, charset = {0}, content = {0}, pragma = {0};
  while (name.len > 0) {
    *p = read_attribute(*p, end, &name, &value);
    if (is(name, "charset") && !charset.at) charset = value;
    if (is(name, "content") && !content.at) content = value;
    if (is(name, "http-equiv") && !pragma.at) pragma = value;
  }
  if (!charset.at && content.at && pragma.at && is(pragma, "content-type"))
    charset.at = lpb_charset_sniff_parameter(content.at, content.len, &charset.len);
  if (!charset.at) return NULL;
  const lpb_charset_label *label = lpb_charset_label_find(charset.at, charset.len);
  return label && label->form >= LPB_CHARSET_UTF16 ? named("utf-8") : label;
}

/* Finds `</name`, behind which the text is markup again. */
static const char *skip_raw(const char *p, const char *end, piece name) {
  while ((p = memchr(p, '<', (size_t)(end - p)))) {
    if ((size_t)(end - p) < name.len + 2) return end;
    if (p[1] == '/' && strncasecmp(p + 2, name.at, name.len) == 0) return p;
    p++;
  }
  return end;
}

static const char *skip_comment(const char *p, const char *end) {
  const char *close = memmem(p + 2, (size_t)(end - p) - 2, "-->", 3);
  return close ? close + 3 : end;
}

/* Reads the tag at `p`. Returns where the search goes on, `end` where it is over. */
static const char *read_tag(const char *p, const char *end, bool may_end,
                            const lpb_charset_label **found) {
  static const char *const of_head[] = {"html",  "head",     "title", "base",   "link",
                                        "meta",  "script",   "style", "object", "noscript",
                                        "param", "template", NULL};
  static const char *const raw[] = {"script", "style",    "title",   "textarea", "xmp",
                                    "iframe", "noframes", "noembed", NULL};
  bool closing = *p == '/';
  piece name = {p + closing, 0};
  while (name.at + name.len < end && (is_letter(name.at[name.len]) || name.at[name.len] == '-'))
    name.len++;
  p = name.at + name.len;
  if (may_end && !is_one_of(name, of_head)) return end;
  if (!closing && is(name, "meta")) {
    *found = read_meta(&p, end);
    return p;
  }
  p = skip_attributes(p, end);
  return !closing && is_one_of(name, raw) ? skip_raw(p, end, name) : p;
}

static const lpb_charset_label *find_meta(const char *text, size_t len) {
  const lpb_charset_label *found = NULL;
  const char *p = text, *end = text + len;
  while (!found && p < end && (p = memchr(p, '<', (size_t)(end - p)))) {
    size_t left = (size_t)(end - p);
    if (left >= 4 && memcmp(p, "<!--", 4) == 0) {
      p = skip_comment(p, end);
    } else if (left >= 3 && is_letter(p[1 + (p[1] == '/')])) {
      p = read_tag(p + 1, end, p - text > AT_LEAST, &found);
    } else {
      p++;
    }
  }
  return found;
}

static const lpb_charset_label *find_declaration(const char *text, size_t len) {
  static const char word[] = "encoding";
  const char *p = text, *end = text + len;
  while (p < end && is_blank(*p)) p++;
  if (end - p < 6 || memcmp(p, "<?xml", 5) != 0 || !is_blank(p[5])) return NULL;
  const char *close = memchr(p, '>', (size_t)(end - p));
  if (!close || !(p = memmem(p, (size_t)(close - p), word, sizeof word - 1))) return NULL;
  piece name, value;
  read_attribute(p, close, &name, &value);
  const lpb_charset_label *label = lpb_charset_label_find(value.at, value.len);
  return label && label->form >= LPB_CHARSET_UTF16 ? named("utf-8") : label;
}

const lpb_charset_label *lpb_charset_sniff_said(const char *text, size_t len,
                                                lpb_charset_sniff_kind kind) {
  const lpb_charset_label *found = NULL;
  if (kind == LPB_CHARSET_HTML) found = find_meta(text, len);
  if (!found && kind != LPB_CHARSET_TEXT) found = find_declaration(text, len);
  return found;
}
