/* counted/utf8.c: len, codepoint and offset, which walk over a string of any length. Layer:
 * library. */
#include "runtime/counted/utf8.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/counted/meter.h"

static bool continues(char c) {
  return ((unsigned char)c & 0xC0) == 0x80;
}

/* Reads the character at s, whose string ends with a zero byte. Returns its end, or NULL when
 * it is none: cut off, written longer than it needs, or, unless `lax`, a surrogate or too
 * large. */
static const char *decode(const char *s, bool lax, uint32_t *code) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000};
  unsigned char first = (unsigned char)*s;
  if (first < 0x80) {
    *code = first;
    return s + 1;
  }
  int size = 0;
  while (size < 7 && first & 0x80 >> size) size++;
  if (size < 2 || size > 6) return NULL;
  uint32_t c = first & (0x7Fu >> size);
  for (int i = 1; i < size; i++) {
    if (!continues(s[i])) return NULL;
    c = c << 6 | ((unsigned char)s[i] & 0x3F);
  }
  if (c < least[size]) return NULL;
  if (!lax && (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))) return NULL;
  *code = c;
  return s + size;
}

/* A place from the end becomes one from the beginning. */
static lua_Integer place(lua_Integer at, size_t len) {
  if (at >= 0) return at;
  return 0u - (size_t)at > len ? 0 : (lua_Integer)len + at + 1;
}

static int utf8_len(lua_State *L) {
  lp_meter meter = lp_meter_start(L);
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  lua_Integer i = place(luaL_optinteger(L, 2, 1), len),
              j = place(luaL_optinteger(L, 3, -1), len), n = 0;
  bool lax = lua_toboolean(L, 4);
  luaL_argcheck(L, 1 <= i && i <= (lua_Integer)len + 1, 2, "initial position out of bounds");
  luaL_argcheck(L, j <= (lua_Integer)len, 3, "final position out of bounds");
  i--, j--; /* from here on offsets */
  while (i <= j) {
    uint32_t code;
    const char *e = decode(s + i, lax, &code);
    if (!e) {
      luaL_pushfail(L);
      lua_pushinteger(L, i + 1);
      return 2;
    }
    i = e - s;
    n++;
    lp_meter_spend(&meter, 1);
  }
  lua_pushinteger(L, n);
  return 1;
}

static int utf8_codepoint(lua_State *L) {
  lp_meter meter = lp_meter_start(L);
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  lua_Integer i = place(luaL_optinteger(L, 2, 1), len),
              j = place(luaL_optinteger(L, 3, i), len);
  bool lax = lua_toboolean(L, 4);
  luaL_argcheck(L, i >= 1, 2, "out of bounds");
  luaL_argcheck(L, j <= (lua_Integer)len, 3, "out of bounds");
  if (i > j) return 0;
  if (j - i >= INT_MAX) return luaL_error(L, "string slice too long");
  int n = 0;
  luaL_checkstack(L, (int)(j - i) + 1, "string slice too long");
  for (const char *e = s + j, *at = s + i - 1; at < e;) {
    uint32_t code;
    at = decode(at, lax, &code);
    if (!at) return luaL_error(L, "invalid UTF-8 code");
    lua_pushinteger(L, code);
    n++;
    lp_meter_spend(&meter, 1);
  }
  return n;
}

static int utf8_offset(lua_State *L) {
  lp_meter meter = lp_meter_start(L);
  size_t len;
  const char *s = luaL_checklstring(L, 1, &len);
  lua_Integer size = (lua_Integer)len, n = luaL_checkinteger(L, 2);
  lua_Integer i = place(luaL_optinteger(L, 3, n >= 0 ? 1 : size + 1), len);
  luaL_argcheck(L, 1 <= i && i <= size + 1, 3, "position out of bounds");
  i--; /* from here on an offset */
  if (n == 0) {
    for (; i > 0 && continues(s[i]); i--) lp_meter_spend(&meter, 1);
    lua_pushinteger(L, i + 1);
    return 1;
  }
  if (continues(s[i])) return luaL_error(L, "initial position is a continuation byte");
  for (; n < 0 && i > 0; n++) {
    do {
      i--;
      lp_meter_spend(&meter, 1);
    } while (i > 0 && continues(s[i]));
  }
  bool forward = n > 0;
  if (forward) n--; /* it stands at the first */
  for (; forward && n > 0 && i < size; n--) {
    do {
      i++;
      lp_meter_spend(&meter, 1);
    } while (continues(s[i]));
  }
  if (n == 0)
    lua_pushinteger(L, i + 1);
  else
    luaL_pushfail(L);
  return 1;
}

const luaL_Reg lp_utf8_functions[] = {
    {"len", utf8_len}, {"codepoint", utf8_codepoint}, {"offset", utf8_offset}, {NULL, NULL}};
