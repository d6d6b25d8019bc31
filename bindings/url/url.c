/* bindings/url/url.c: URLs by RFC 3986. All writing goes through a `pen`, whose room the caller
 * has measured by LPB_URL_ROOM: each byte of the input becomes three at most, in three steps.
 * Layer: bindings; any process. */
#include "bindings/url/url.h"

#include <stdint.h>
#include <string.h>

typedef struct span {
  const char *at; /* NULL: the part is absent */
  size_t len;
} span;

typedef struct parts {
  span scheme, authority, path, query, fragment;
} parts;

typedef struct pen {
  char *start, *at;
} pen;

static void put(pen *p, char c) {
  *p->at++ = c;
}

static void put_span(pen *p, span s) {
  if (s.len) memcpy(p->at, s.at, s.len);
  p->at += s.len;
}

static span written(const char *from, const pen *p) {
  return (span){from, (size_t)(p->at - from)};
}

/* ---- characters ---- */

static bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bit maps of ASCII: letters, digits and "-._~"; with them ":/?#[]@!$&'()*+,;=". */
static const uint32_t unreserved[4] = {0x00000000, 0x03ff6000, 0x87fffffe, 0x47fffffe};
static const uint32_t allowed[4] = {0x00000000, 0xafffffda, 0xafffffff, 0x47fffffe};

static bool is_in(const uint32_t map[4], char c) {
  unsigned char u = (unsigned char)c;
  return u < 128 && (map[u >> 5] >> (u & 31) & 1);
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* The value of a hexadecimal digit, or -1. */
static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void escape(pen *p, unsigned char c) {
  static const char digits[] = "0123456789ABCDEF";
  put(p, '%');
  put(p, digits[c >> 4]);
  put(p, digits[c & 15]);
}

static bool is_escape(const char *at, const char *end) {
  return end - at > 2 && *at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0;
}

/* ---- parts ---- */

/* What a browser does with an address written in a page: no white space around it and no line
 * breaks in it, the bytes that no URL may hold escaped. */
static span clean(span text, pen *p) {
  const char *from = p->at, *at = text.at, *end = text.at + text.len;
  while (at < end && strchr(" \t\r\n\f\v", *at) && *at) at++;
  while (at < end && strchr(" \t\r\n\f\v", end[-1]) && end[-1]) end--;
  while (at < end) {
    const char *run = at;
    while (at < end && is_in(allowed, *at)) at++;
    put_span(p, (span){run, (size_t)(at - run)});
    if (at == end) break;
    if (is_escape(at, end)) {
      put(p, *at);
    } else if (!strchr("\t\r\n", *at) || !*at) {
      escape(p, (unsigned char)*at);
    }
    at++;
  }
  return written(from, p);
}

static size_t find(span s, const char *marks) {
  size_t len = s.len;
  for (const char *mark = marks; *mark && len; mark++) {
    const char *at = memchr(s.at, *mark, len);
    if (at) len = (size_t)(at - s.at);
  }
  return len;
}

/* Cuts off what stands before the first of `marks`. */
static span cut(span *rest, const char *marks) {
  span before = {rest->at, find(*rest, marks)};
  rest->at += before.len;
  rest->len -= before.len;
  return before;
}

static void skip(span *s, size_t n) {
  s->at += n;
  s->len -= n;
}

/* The length of a scheme in front of a ':', or 0. */
static size_t scheme_of(span s) {
  if (s.len == 0 || !is_alpha(s.at[0])) return 0;
  for (size_t i = 1; i < s.len; i++) {
    char c = s.at[i];
    if (c == ':') return i;
    if (!is_alpha(c) && !(c >= '0' && c <= '9') && c != '+' && c != '.' && c != '-') return 0;
  }
  return 0;
}

/* The parts of a clean text. It has no zero byte. */
static parts split(span text) {
  parts u = {0};
  size_t n = scheme_of(text);
  if (n) {
    u.scheme = (span){text.at, n};
    skip(&text, n + 1);
  }
  if (text.len > 1 && text.at[0] == '/' && text.at[1] == '/') {
    skip(&text, 2);
    u.authority = cut(&text, "/?#");
  }
  u.path = cut(&text, "?#");
  if (text.len && *text.at == '?') {
    skip(&text, 1);
    u.query = cut(&text, "#");
  }
  if (text.len) u.fragment = (span){text.at + 1, text.len - 1};
  return u;
}

/* Takes the last segment back that was written since `from`; the root stays. */
static void back(pen *p, const char *from) {
  if (p->at > from) p->at--;
  while (p->at > from && p->at[-1] != '/') p->at--;
  if (p->at == from && *from == '/') p->at++;
}

/* RFC 3986 section 5.2.4. */
static void put_without_dots(pen *p, span path) {
  const char *from = p->at;
  while (path.len) {
    span segment = cut(&path, "/");
    bool one = segment.len == 1 && segment.at[0] == '.';
    bool two = segment.len == 2 && segment.at[0] == '.' && segment.at[1] == '.';
    if (two) back(p, from);
    if (!one && !two) {
      put_span(p, segment);
      if (path.len) put(p, '/');
    }
    if (path.len) skip(&path, 1);
  }
}

/* ---- references ---- */

static void put_rest(pen *p, const parts *u) {
  if (u->query.at) {
    put(p, '?');
    put_span(p, u->query);
  }
  if (u->fragment.at) {
    put(p, '#');
    put_span(p, u->fragment);
  }
}

static void put_origin(pen *p, const parts *u) {
  if (u->scheme.at) {
    put_span(p, u->scheme);
    put(p, ':');
  }
  if (u->authority.at) {
    put_span(p, (span){"//", 2});
    put_span(p, u->authority);
  }
}

/* A relative path behind the folder of the base. */
static span merge(pen *p, const parts *base, span path) {
  const char *from = p->at;
  span folder = base->path;
  while (folder.len && folder.at[folder.len - 1] != '/') folder.len--;
  if (base->authority.at && base->path.len == 0) folder = (span){"/", 1};
  put_span(p, folder);
  put_span(p, path);
  return written(from, p);
}

bool lpb_url_stands_alone(const char *text, size_t len) {
  size_t n = scheme_of((span){text, len});
  return n && len - n > 3 && text[n + 1] == '/' && text[n + 2] == '/' &&
         !memchr(text, '%', len);
}

const char *lpb_url_resolve(const char *text, size_t len, const char *base, size_t base_len,
                            char *room, size_t *out_len) {
  pen p = {room, room};
  parts u = split(clean((span){text, len}, &p));
  bool dots = u.scheme.at ? u.authority.at != NULL : u.authority.at || u.path.len;
  if (!u.scheme.at) {
    parts b = split(clean((span){base, base_len}, &p));
    u.scheme = b.scheme;
    if (!u.authority.at) {
      u.authority = b.authority;
      if (u.path.len == 0) {
        u.path = b.path;
        if (!u.query.at) u.query = b.query;
      } else if (u.path.at[0] != '/') {
        u.path = merge(&p, &b, u.path);
      }
    }
  }
  const char *from = p.at;
  put_origin(&p, &u);
  if (dots) {
    put_without_dots(&p, u.path);
  } else {
    put_span(&p, u.path);
  }
  put_rest(&p, &u);
  *out_len = (size_t)(p.at - from);
  return from;
}

/* ---- the normal form ---- */

/* Escapes only where they are needed, in capitals. */
static void put_escapes(pen *p, span s) {
  for (const char *at = s.at, *end = s.at + s.len; at < end; at++) {
    size_t plain = find((span){at, (size_t)(end - at)}, "%");
    put_span(p, (span){at, plain});
    at += plain;
    if (at == end) break;
    char c = (char)((unsigned)hex(at[1]) << 4 | (unsigned)hex(at[2]));
    if (is_in(unreserved, c)) {
      put(p, c);
    } else {
      escape(p, (unsigned char)c);
    }
    at += 2;
  }
}

static void put_lower(pen *p, span s) {
  char *from = p->at;
  put_escapes(p, s);
  for (; from < p->at; from++) *from = lower(*from);
}

static bool equal(span s, const char *word) {
  return s.len == strlen(word) && strncmp(s.at, word, s.len) == 0;
}

static bool is_default_port(span scheme, span port) {
  return port.len == 0 || (equal(scheme, "http") && equal(port, "80")) ||
         (equal(scheme, "https") && equal(port, "443"));
}

/* Cuts the port, with its colon, off the end of an authority. */
static span cut_port(span *host) {
  size_t n = host->len;
  while (n && host->at[n - 1] >= '0' && host->at[n - 1] <= '9') n--;
  if (n == 0 || host->at[n - 1] != ':') return (span){host->at + host->len, 0};
  span port = {host->at + n, host->len - n};
  host->len = n - 1;
  return port;
}

/* Writes user, host and port. Returns false when there is no host. */
static bool put_authority(pen *p, span scheme, span authority, lpb_url *out) {
  span host = authority, user = {authority.at, 0};
  for (size_t i = 0; i < authority.len; i++)
    if (authority.at[i] == '@') user.len = i + 1;
  skip(&host, user.len);
  span port = cut_port(&host);
  put_escapes(p, user);
  out->host = p->at;
  put_lower(p, host);
  out->host_len = (size_t)(p->at - out->host);
  if (!is_default_port(scheme, port)) {
    put(p, ':');
    put_span(p, port);
  }
  out->authority_len = (size_t)(p->at - out->host);
  return out->host_len > 0;
}

bool lpb_url_normal(const char *text, size_t len, bool fragment, char *room, lpb_url *out) {
  pen p = {room, room};
  parts u = split(clean((span){text, len}, &p));
  if (!u.scheme.at || !u.authority.at) return false;
  const char *path_at = p.at;
  put_escapes(&p, u.path);
  span path = written(path_at, &p);
  const char *from = p.at;
  put_lower(&p, u.scheme);
  span scheme = written(from, &p);
  put_span(&p, (span){"://", 3});
  if (!put_authority(&p, scheme, u.authority, out)) return false;
  if (path.len == 0) put(&p, '/');
  put_without_dots(&p, path);
  if (u.query.len) {
    put(&p, '?');
    put_escapes(&p, u.query);
  }
  if (fragment && u.fragment.len) {
    put(&p, '#');
    put_escapes(&p, u.fragment);
  }
  out->text = from;
  out->len = (size_t)(p.at - from);
  out->scheme_len = scheme.len;
  return true;
}
