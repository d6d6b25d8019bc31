/* counted/string.c: string.find, match, gmatch and gsub over pattern.c, and what else takes
 * long with large arguments: rep, lower, upper, reverse, format, pack. What the standard
 * functions return and raise, these return and raise. Layer: counted. */
#include "runtime/counted/string.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "runtime/base/stack.h"
#include "runtime/counted/access.h"
#include "runtime/counted/pattern.h"

enum {
  PIECE = 64 << 10, /* bytes that are copied between two looks, */
  PIECE_STEPS = 4096,
  DIRECTIVES = 64,          /* of string.format, between two looks */
  MOST_FORMAT = 100 * 1000, /* bytes of a format of string.pack */
};

/* Counts the copying of n bytes. */
static void spend_bytes(lp_meter *m, size_t n) {
  lp_meter_spend(m, n / (PIECE / PIECE_STEPS));
}

/* Index 1 to len + 1 or more: where a search begins. */
static size_t start_of(lua_Integer at, size_t len) {
  if (at > 0) return (size_t)at;
  if (at == 0 || at < -(lua_Integer)len) return 1;
  return len + (size_t)at + 1;
}

/* ---- find, match ---- */

/* Searches as the pattern says; an anchored one is tried once. Returns the end of the match,
 * and where it begins, or NULL. */
static const char *search(lp_pattern *p, const char *s, const char *pattern, bool anchored,
                          const char **begin) {
  for (;; s++) {
    p->count = 0;
    *begin = s;
    const char *e = lp_pattern_match(p, s, pattern);
    if (e || anchored || s == p->subject_end) return e;
    lp_meter_spend(&p->meter, 1);
  }
}

static int find_plain(lua_State *L, const char *s, size_t len, size_t init, const char *what,
                      size_t size) {
  const char *found = memmem(s + init, len - init, what, size);
  if (!found) {
    luaL_pushfail(L);
    return 1;
  }
  lua_pushinteger(L, found - s + 1);
  lua_pushinteger(L, found - s + (lua_Integer)size);
  return 2;
}

static int find_or_match(lua_State *L, bool find) {
  size_t len, size;
  const char *s = luaL_checklstring(L, 1, &len), *pattern = luaL_checklstring(L, 2, &size);
  size_t init = start_of(luaL_optinteger(L, 3, 1), len) - 1;
  if (init > len) {
    luaL_pushfail(L);
    return 1;
  }
  if (find && (lua_toboolean(L, 4) || lp_pattern_is_plain(pattern, size)))
    return find_plain(L, s, len, init, pattern, size);
  bool anchored = *pattern == '^';
  lp_pattern p;
  lp_pattern_open(&p, L, s, len, pattern, size);
  const char *begin, *e = search(&p, s + init, pattern + anchored, anchored, &begin);
  if (!e) {
    luaL_pushfail(L);
    return 1;
  }
  if (!find) return lp_pattern_push_all(&p, begin, e);
  lua_pushinteger(L, begin - s + 1);
  lua_pushinteger(L, e - s);
  return lp_pattern_push_all(&p, NULL, NULL) + 2;
}

static int string_find(lua_State *L) {
  return find_or_match(L, true);
}

static int string_match(lua_State *L) {
  return find_or_match(L, false);
}

/* ---- gmatch ---- */

typedef struct gmatch {
  lp_pattern p;
  const char *pattern, *at, *last; /* `last`: where the latest match has ended */
} gmatch;

/* Upvalues: the subject and the pattern, which it keeps alive, and the gmatch. */
static int gmatch_next(lua_State *L) {
  gmatch *g = lua_touserdata(L, lua_upvalueindex(3));
  g->p.meter = lp_meter_start(L);
  g->p.depth = LP_PATTERN_DEPTH;
  for (; g->at <= g->p.subject_end; g->at++) {
    g->p.count = 0;
    const char *s = g->at, *e = lp_pattern_match(&g->p, s, g->pattern);
    if (e && e != g->last) {
      g->at = g->last = e;
      return lp_pattern_push_all(&g->p, s, e);
    }
    lp_meter_spend(&g->p.meter, 1);
  }
  return 0;
}

static int string_gmatch(lua_State *L) {
  size_t len, size;
  const char *s = luaL_checklstring(L, 1, &len), *pattern = luaL_checklstring(L, 2, &size);
  size_t init = start_of(luaL_optinteger(L, 3, 1), len) - 1;
  lua_settop(L, 2);
  gmatch *g = lua_newuserdatauv(L, sizeof *g, 0);
  lp_pattern_open(&g->p, L, s, len, pattern, size);
  g->pattern = pattern;
  g->at = init > len ? s + len + 1 : s + init;
  g->last = NULL;
  lua_pushcclosure(L, gmatch_next, 3);
  return 1;
}

/* ---- gsub ---- */

static void add_capture(lp_pattern *p, luaL_Buffer *b, int i, const char *s, const char *e) {
  const char *text;
  ptrdiff_t len = lp_pattern_capture(p, i, s, e, &text);
  if (len == LP_PATTERN_POSITION) {
    lua_pushinteger(p->meter.L, text - p->subject + 1);
    luaL_addvalue(b);
  } else {
    luaL_addlstring(b, text, (size_t)len);
  }
}

/* Adds the replacement text at index 3, in which %1 stands for a capture. */
static void add_text(lp_pattern *p, luaL_Buffer *b, const char *s, const char *e) {
  lua_State *L = p->meter.L;
  size_t len;
  const char *text = lua_tolstring(L, 3, &len), *end = text + len, *mark;
  for (; (mark = memchr(text, '%', (size_t)(end - text))); text = mark + 2) {
    luaL_addlstring(b, text, (size_t)(mark - text));
    char c = mark[1];
    if (c == '%') {
      luaL_addchar(b, c);
    } else if (c == '0') {
      luaL_addlstring(b, s, (size_t)(e - s));
    } else if (isdigit((unsigned char)c)) {
      add_capture(p, b, c - '1', s, e);
    } else {
      luaL_error(L, "invalid use of '%c' in replacement string", '%');
    }
    lp_meter_spend(&p->meter, 1);
  }
  luaL_addlstring(b, text, (size_t)(end - text));
}

/* Adds what the function or table at index 3 gives. False when the match stays as it is. */
static bool add_value(lp_pattern *p, luaL_Buffer *b, const char *s, const char *e, int type) {
  lua_State *L = p->meter.L;
  if (type == LUA_TFUNCTION) {
    lua_pushvalue(L, 3);
    lua_call(L, lp_pattern_push_all(p, s, e), 1);
  } else {
    lp_pattern_push(p, 0, s, e);
    lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(b, s, (size_t)(e - s));
    return false;
  }
  if (!lua_isstring(L, -1))
    luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(b);
  return true;
}

static bool add(lp_pattern *p, luaL_Buffer *b, const char *s, const char *e, int type) {
  if (type == LUA_TFUNCTION || type == LUA_TTABLE) return add_value(p, b, s, e, type);
  add_text(p, b, s, e);
  return true;
}

static int string_gsub(lua_State *L) {
  size_t len, size;
  const char *s = luaL_checklstring(L, 1, &len), *pattern = luaL_checklstring(L, 2, &size);
  const char *last = NULL;
  int type = lua_type(L, 3);
  lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)len + 1), n = 0;
  bool anchored = *pattern == '^', changed = false;
  luaL_argexpected(L,
                   type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                       type == LUA_TTABLE,
                   3, "string/function/table");
  if (lp_stack_low()) luaL_error(L, "C stack overflow");
  lp_pattern p;
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  lp_pattern_open(&p, L, s, len, pattern, size);
  while (n < most) {
    p.count = 0;
    lp_meter_spend(&p.meter, 1);
    const char *e = lp_pattern_match(&p, s, pattern + anchored);
    if (e && e != last) {
      n++;
      changed = add(&p, &b, s, e, type) || changed;
      s = last = e;
    } else if (s < p.subject_end) {
      luaL_addchar(&b, *s++);
    } else {
      break;
    }
    if (anchored) break;
  }
  if (changed) {
    luaL_addlstring(&b, s, (size_t)(p.subject_end - s));
    luaL_pushresult(&b);
  } else {
    lua_pushvalue(L, 1);
  }
  lua_pushinteger(L, n);
  return 2;
}

/* ---- large results ---- */

/* Repeats the first `size` bytes of `to` until there are `total`. */
static void fill(lp_meter *m, char *to, size_t size, size_t total) {
  for (size_t done = size; done < total;) {
    size_t n = done < PIECE ? done : PIECE / size * size;
    if (n == 0) n = size;
    if (n > total - done) n = total - done;
    memcpy(to + done, to, n);
    done += n;
    spend_bytes(m, n);
  }
}

static int string_rep(lua_State *L) {
  size_t len, gap;
  const char *s = luaL_checklstring(L, 1, &len);
  lua_Integer n = luaL_checkinteger(L, 2);
  const char *between = luaL_optlstring(L, 3, "", &gap);
  size_t size = len + gap;
  if (n <= 0 || size == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  if (size < len || size > (size_t)LUA_MAXINTEGER / (size_t)n)
    return luaL_error(L, "resulting string too large");
  size_t total = (size_t)n * size - gap;
  lp_meter meter = lp_meter_start(L);
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, total);
  memcpy(to, s, len);
  if (n > 1) {
    memcpy(to + len, between, gap);
    fill(&meter, to, size, total);
  }
  luaL_pushresultsize(&b, total);
  return 1;
}

static inline __attribute__((always_inline)) int map_bytes(lua_State *L, bool up) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  lp_meter meter = lp_meter_start(L);
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, len);
  for (size_t i = 0; i < len;) {
    size_t end = len - i < PIECE ? len : i + PIECE;
    spend_bytes(&meter, end - i);
    for (; i < end; i++) {
      unsigned char c = (unsigned char)s[i];
      to[i] = (char)(up ? toupper(c) : tolower(c));
    }
  }
  luaL_pushresultsize(&b, len);
  return 1;
}

static int string_lower(lua_State *L) {
  return map_bytes(L, false);
}

static int string_upper(lua_State *L) {
  return map_bytes(L, true);
}

static int string_reverse(lua_State *L) {
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  lp_meter meter = lp_meter_start(L);
  luaL_Buffer b;
  char *to = luaL_buffinitsize(L, &b, len);
  for (size_t i = 0; i < len;) {
    size_t end = len - i < PIECE ? len : i + PIECE;
    spend_bytes(&meter, end - i);
    for (; i < end; i++) to[i] = s[len - 1 - i];
  }
  luaL_pushresultsize(&b, len);
  return 1;
}

/* ---- long formats ---- */

/* Moves behind so many directives of a format. Returns how many there were. */
static int skip(const char **at, const char *end, int most) {
  int n = 0;
  for (const char *p = *at; (p = memchr(p, '%', (size_t)(end - p)));) {
    if (p[1] == '%') {
      p += 2;
      continue;
    }
    if (n == most) {
      *at = p;
      return n;
    }
    n++;
    p++;
  }
  *at = end;
  return n;
}

/* A format with many directives is written bit by bit. */
static int string_format(lua_State *L) {
  size_t len;
  const char *at = luaL_checklstring(L, 1, &len), *end = at + len, *rest = at;
  if (len > 2 * DIRECTIVES) skip(&rest, end, DIRECTIVES);
  if (len <= 2 * DIRECTIVES || rest == end) return lp_access_standard(L);
  int arg = 2, top = lua_gettop(L);
  lp_meter meter = lp_meter_start(L);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  while (at < end) {
    rest = at;
    int n = skip(&rest, end, DIRECTIVES);
    if (n > top - arg + 1) n = top - arg + 1;
    luaL_checkstack(L, n + 2, NULL);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushlstring(L, at, (size_t)(rest - at));
    for (int i = 0; i < n; i++) lua_pushvalue(L, arg + i);
    lua_call(L, n + 1, 1);
    luaL_addvalue(&b);
    arg += n;
    at = rest;
    lp_meter_look(&meter);
  }
  luaL_pushresult(&b);
  return 1;
}

/* Formats of these are read item by item; nobody needs one that is so long. */
static int with_format(lua_State *L, const char *name) {
  size_t len;
  luaL_checklstring(L, 1, &len);
  if (len > MOST_FORMAT)
    return luaL_error(L, "%s: the format is longer than %d bytes", name, MOST_FORMAT);
  return lp_access_standard(L);
}

static int string_pack(lua_State *L) {
  return with_format(L, "string.pack");
}

static int string_packsize(lua_State *L) {
  return with_format(L, "string.packsize");
}

static int string_unpack(lua_State *L) {
  return with_format(L, "string.unpack");
}

const luaL_Reg lp_string_functions[] = {{"find", string_find},
                                        {"match", string_match},
                                        {"gmatch", string_gmatch},
                                        {"gsub", string_gsub},
                                        {"rep", string_rep},
                                        {"lower", string_lower},
                                        {"upper", string_upper},
                                        {"reverse", string_reverse},
                                        {"format", string_format},
                                        {"pack", string_pack},
                                        {"packsize", string_packsize},
                                        {"unpack", string_unpack},
                                        {NULL, NULL}};
