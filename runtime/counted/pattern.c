/* counted/pattern.c: the matcher: one call for each item that may be tried again in another
 * way, as the standard library has it, so that "pattern too complex" comes for the same
 * patterns. Layer: counted. */
#include "runtime/counted/pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

enum {
  ESCAPE = '%',
  SET_STEP = 16, /* characters of a set that count as one step */
  OPEN = -1      /* the length of a capture whose end has not been met */
};

#define RARELY(condition) __builtin_expect(!!(condition), 0)

/* ---- single characters ---- */

static bool in_class(int c, int class) {
  int yes;
  switch (tolower(class)) {
  case 'a': yes = isalpha(c); break;
  case 'c': yes = iscntrl(c); break;
  case 'd': yes = isdigit(c); break;
  case 'g': yes = isgraph(c); break;
  case 'l': yes = islower(c); break;
  case 'p': yes = ispunct(c); break;
  case 's': yes = isspace(c); break;
  case 'u': yes = isupper(c); break;
  case 'w': yes = isalnum(c); break;
  case 'x': yes = isxdigit(c); break;
  case 'z': return (c == 0) == (class == 'z'); /* of old: no longer in the manual */
  default: return class == c;
  }
  return (yes != 0) == (islower(class) != 0);
}

/* Is c in the set from `at`, its bracket, to `last`, the closing one? */
static bool in_set(int c, const char *at, const char *last) {
  bool listed = true;
  if (at[1] == '^') {
    listed = false;
    at++;
  }
  while (++at < last) {
    int first = (unsigned char)*at;
    if (first == ESCAPE) {
      at++;
      if (in_class(c, (unsigned char)*at)) return listed;
    } else if (at[1] == '-' && at + 2 < last) {
      at += 2;
      if (first <= c && c <= (unsigned char)*at) return listed;
    } else if (first == c) {
      return listed;
    }
  }
  return !listed;
}

/* The end of the single character, class or set at `at`. */
static const char *item_end(lp_pattern *p, const char *at) {
  const char *begin = at;
  char first = *at++;
  if (first == ESCAPE) {
    if (RARELY(at == p->end)) luaL_error(p->meter.L, "malformed pattern (ends with '%%')");
    return at + 1;
  }
  if (first != '[') return at;
  if (*at == '^') at++;
  do { /* the first one may be a bracket */
    if (RARELY(at == p->end)) luaL_error(p->meter.L, "malformed pattern (missing ']')");
    at += *at == ESCAPE && at + 1 < p->end ? 2 : 1;
  } while (*at != ']');
  lp_meter_spend(&p->meter, (size_t)(at - begin) / SET_STEP);
  return at + 1;
}

/* Does the character at `s` match the item from `at` to `end`? */
static inline bool one(lp_pattern *p, const char *s, const char *at, const char *end) {
  if (s >= p->subject_end) return false;
  int c = (unsigned char)*s;
  switch (*at) {
  case '.': return true;
  case ESCAPE: return in_class(c, (unsigned char)at[1]);
  case '[':
    lp_meter_spend(&p->meter, (size_t)(end - at) / SET_STEP);
    return in_set(c, at, end - 1);
  default: return (unsigned char)*at == c;
  }
}

/* ---- items ---- */

/* As many as there are, then fewer and fewer. */
static const char *most(lp_pattern *p, const char *s, const char *at, const char *end) {
  size_t n = 0;
  while (one(p, s + n, at, end)) n++;
  lp_meter_spend(&p->meter, n);
  for (;; n--) {
    const char *e = lp_pattern_match(p, s + n, end + 1);
    if (e || n == 0) return e;
  }
}

/* As few as will do. */
static const char *fewest(lp_pattern *p, const char *s, const char *at, const char *end) {
  for (;; s++) {
    const char *e = lp_pattern_match(p, s, end + 1);
    if (e || !one(p, s, at, end)) return e;
  }
}

static const char *open_capture(lp_pattern *p, const char *s, const char *at) {
  bool position = *at == ')';
  if (p->count >= LP_PATTERN_CAPTURES) luaL_error(p->meter.L, "too many captures");
  p->captures[p->count].begin = s;
  p->captures[p->count].len = position ? LP_PATTERN_POSITION : OPEN;
  p->count++;
  const char *e = lp_pattern_match(p, s, at + position);
  if (!e) p->count--;
  return e;
}

static const char *close_capture(lp_pattern *p, const char *s, const char *at) {
  int i = p->count - 1;
  while (i >= 0 && p->captures[i].len != OPEN) i--;
  if (i < 0) luaL_error(p->meter.L, "invalid pattern capture");
  p->captures[i].len = s - p->captures[i].begin;
  const char *e = lp_pattern_match(p, s, at);
  if (!e) p->captures[i].len = OPEN;
  return e;
}

/* %b(): `at` stands at the two characters. */
static const char *balanced(lp_pattern *p, const char *s, const char *at) {
  if (RARELY(at >= p->end - 1))
    luaL_error(p->meter.L, "malformed pattern (missing arguments to '%%b')");
  if (*s != *at) return NULL;
  const char *begin = s;
  for (int level = 1; ++s < p->subject_end;) {
    if (*s == at[1]) {
      if (--level == 0) break;
    } else if (*s == at[0]) {
      level++;
    }
  }
  lp_meter_spend(&p->meter, (size_t)(s - begin));
  return s < p->subject_end ? s + 1 : NULL;
}

/* %f[set]: `at` stands at the bracket, `end` behind the set. */
static bool at_frontier(const lp_pattern *p, const char *s, const char *at, const char *end) {
  int before = s == p->subject ? 0 : (unsigned char)s[-1];
  return !in_set(before, at, end - 1) && in_set((unsigned char)*s, at, end - 1);
}

/* %1: the same text again. */
static const char *repeated(lp_pattern *p, const char *s, char digit) {
  int i = digit - '1';
  if (i < 0 || i >= p->count || p->captures[i].len == OPEN)
    luaL_error(p->meter.L, "invalid capture index %%%d", i + 1);
  size_t len = (size_t)p->captures[i].len;
  if ((size_t)(p->subject_end - s) < len) return NULL;
  lp_meter_spend(&p->meter, len / 8);
  return memcmp(p->captures[i].begin, s, len) == 0 ? s + len : NULL;
}

/* The items behind '%' that are no class. Moves *at behind the item and returns where the
 * subject stands then, or NULL for no match; leaves *at when it is a class. */
static const char *escaped(lp_pattern *p, const char *s, const char **at) {
  const char *item = *at;
  if (item[1] == 'b') {
    s = balanced(p, s, item + 2);
    *at = item + 4;
  } else if (item[1] == 'f') {
    item += 2;
    if (RARELY(*item != '[')) luaL_error(p->meter.L, "missing '[' after '%%f' in pattern");
    *at = item_end(p, item);
    if (!at_frontier(p, s, item, *at)) return NULL;
  } else if (isdigit((unsigned char)item[1])) {
    s = repeated(p, s, item[1]);
    *at = item + 2;
  }
  return s;
}

/* ---- the whole ---- */

/* Matches from `at` to the end of the pattern. */
static const char *match(lp_pattern *p, const char *s, const char *at) {
  while (at != p->end) {
    lp_meter_spend(&p->meter, 1);
    if (*at == '(') return open_capture(p, s, at + 1);
    if (*at == ')') return close_capture(p, s, at + 1);
    if (*at == '$' && at + 1 == p->end) return s == p->subject_end ? s : NULL;
    if (*at == ESCAPE) {
      const char *item = at;
      s = escaped(p, s, &at);
      if (!s) return NULL;
      if (at != item) continue;
    }
    const char *end = item_end(p, at);
    switch (*end) {
    case '*': return most(p, s, at, end);
    case '+': return one(p, s, at, end) ? most(p, s + 1, at, end) : NULL;
    case '-': return fewest(p, s, at, end);
    case '?': {
      const char *e = one(p, s, at, end) ? lp_pattern_match(p, s + 1, end + 1) : NULL;
      if (e) return e;
      at = end + 1;
      break;
    }
    default:
      if (!one(p, s, at, end)) return NULL;
      s++;
      at = end;
    }
  }
  return s;
}

const char *lp_pattern_match(lp_pattern *p, const char *s, const char *at) {
  if (RARELY(p->depth-- == 0)) luaL_error(p->meter.L, "pattern too complex");
  const char *e = match(p, s, at);
  p->depth++;
  return e;
}

void lp_pattern_open(lp_pattern *p, lua_State *L, const char *subject, size_t len,
                     const char *pattern, size_t pattern_len) {
  p->meter = lp_meter_start(L);
  p->subject = subject;
  p->subject_end = subject + len;
  p->end = pattern + pattern_len;
  p->depth = LP_PATTERN_DEPTH;
  p->count = 0;
}

/* ---- results ---- */

ptrdiff_t lp_pattern_capture(const lp_pattern *p, int i, const char *s, const char *e,
                             const char **text) {
  *text = s;
  if (i >= p->count) {
    if (i != 0) luaL_error(p->meter.L, "invalid capture index %%%d", i + 1);
    return e - s;
  }
  if (RARELY(p->captures[i].len == OPEN)) luaL_error(p->meter.L, "unfinished capture");
  *text = p->captures[i].begin;
  return p->captures[i].len;
}

void lp_pattern_push(lp_pattern *p, int i, const char *s, const char *e) {
  const char *text;
  ptrdiff_t len = lp_pattern_capture(p, i, s, e, &text);
  if (len == LP_PATTERN_POSITION)
    lua_pushinteger(p->meter.L, text - p->subject + 1);
  else
    lua_pushlstring(p->meter.L, text, (size_t)len);
}

int lp_pattern_push_all(lp_pattern *p, const char *s, const char *e) {
  int n = p->count == 0 && s ? 1 : p->count;
  luaL_checkstack(p->meter.L, n, "too many captures");
  for (int i = 0; i < n; i++) lp_pattern_push(p, i, s, e);
  return n;
}

bool lp_pattern_is_plain(const char *pattern, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (pattern[i] && strchr("^$*+?.([%-", pattern[i])) return false;
  return true;
}
