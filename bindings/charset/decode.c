/* bindings/charset/decode.c: text of any charset to UTF-8, by the C library's iconv; UTF-8 that
 * is to be mended by itself.
 *
 * Pages in the wild have bytes that are none of their charset's: each of them becomes U+FFFD,
 * and decoding goes on behind it. The output grows in a luaL_Buffer, so an error gives it back;
 * the converter is closed whatever happens. Layer: bindings; any process. */
#include "bindings/charset/decode.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>
#include <string.h>

enum { CHUNK = 16384 };

static const char REPLACEMENT[] = "\xEF\xBF\xBD";

/* Which second bytes may follow a first byte of UTF-8, and how many follow it in all. */
typedef struct sequence {
  unsigned char more, low, high;
} sequence;

static sequence sequence_of(unsigned char first) {
  if (first < 0x80) return (sequence){0, 0, 0};
  if (first >= 0xC2 && first <= 0xDF) return (sequence){1, 0x80, 0xBF};
  if (first == 0xE0) return (sequence){2, 0xA0, 0xBF};
  if (first == 0xED) return (sequence){2, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return (sequence){2, 0x80, 0xBF};
  if (first == 0xF0) return (sequence){3, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3) return (sequence){3, 0x80, 0xBF};
  if (first == 0xF4) return (sequence){3, 0x80, 0x8F};
  return (sequence){4, 0, 0};
}

/* Skips what is ASCII, eight bytes at a time. */
static const char *skip_ascii(const char *p, const char *end) {
  uint64_t word;
  while ((size_t)(end - p) >= sizeof word) {
    memcpy(&word, p, sizeof word);
    if (word & UINT64_C(0x8080808080808080)) break;
    p += sizeof word;
  }
  while (p < end && (unsigned char)*p < 0x80) p++;
  return p;
}

/* Reads the character at p, which is not ASCII. Returns its length; or, when it is wrong or
 * cut, minus the length of the part that could have been one, which becomes one U+FFFD. */
static int read_character(const char *p, const char *end) {
  const unsigned char *s = (const unsigned char *)p;
  sequence want = sequence_of(s[0]);
  if (want.more > 3) return -1;
  for (int i = 1; i <= want.more; i++) {
    if (p + i == end) return -i;
    unsigned char low = i == 1 ? want.low : 0x80, high = i == 1 ? want.high : 0xBF;
    if (s[i] < low || s[i] > high) return -i;
  }
  return want.more + 1;
}

/* Finds the first wrong character; `end` when there is none. */
static const char *find_wrong(const char *p, const char *end) {
  while ((p = skip_ascii(p, end)) < end) {
    int n = read_character(p, end);
    if (n < 0) break;
    p += n;
  }
  return p;
}

bool lpb_charset_decode_is_utf8(const char *text, size_t len) {
  enum { GOOD_FOR_ONE_WRONG = 2 };
  const char *p = text, *end = text + len;
  size_t good = 0, wrong = 0;
  bool cut = false;
  while ((p = skip_ascii(p, end)) < end) {
    int n = read_character(p, end);
    cut = n < 0 && p - n == end && sequence_of((unsigned char)*p).more <= 3;
    good += n > 0;
    wrong += n < 0 && !cut;
    p += n < 0 ? -n : n;
  }
  return wrong == 0 ? good > 0 || !cut : good / GOOD_FOR_ONE_WRONG >= wrong;
}

static void push_mended(lua_State *L, const char *p, const char *end) {
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  while (p < end) {
    const char *wrong = find_wrong(p, end);
    luaL_addlstring(&b, p, (size_t)(wrong - p));
    if (wrong == end) break;
    luaL_addstring(&b, REPLACEMENT);
    p = wrong - read_character(wrong, end);
  }
  luaL_pushresult(&b);
}

/* How many bytes a wrong character takes: those of one unit, and of two bytes above ASCII both.
 */
static size_t wrong_length(lpb_charset_label_form form, const char *in, size_t left) {
  size_t unit = form == LPB_CHARSET_UTF32 ? 4 : form == LPB_CHARSET_UTF16 ? 2 : 1;
  if (form == LPB_CHARSET_MULTI && left > 1 && (in[0] & 0x80) && (in[1] & 0x80)) unit = 2;
  return unit < left ? unit : left;
}

/* Converts until the input or a chunk of output is used up. What a converter holds back, for an
 * accent that may follow, comes out before a replacement; an escape that is in force stays so.
 */
static void convert_chunk(iconv_t cd, lpb_charset_label_form form, char **in, size_t *left,
                          luaL_Buffer *b) {
  enum { RESERVED = 32 };
  char *start = luaL_prepbuffsize(b, CHUNK), *out = start;
  size_t room = CHUNK - RESERVED;
  size_t done = iconv(cd, in, left, &out, &room);
  if (done == (size_t)-1 && errno != E2BIG) {
    bool cut = errno == EINVAL;
    room = RESERVED - 3;
    if (form != LPB_CHARSET_SHIFTED) iconv(cd, NULL, NULL, &out, &room);
    memcpy(out, REPLACEMENT, 3);
    out += 3;
    size_t skip = cut ? *left : wrong_length(form, *in, *left);
    *in += skip;
    *left -= skip;
  } else if (*left == 0) {
    room = RESERVED;
    iconv(cd, NULL, NULL, &out, &room);
  }
  luaL_addsize(b, (size_t)(out - start));
}

/* Runs protected. Arguments: text, from, charset, descriptor. */
static int convert(lua_State *L) {
  size_t left, from = (size_t)lua_tointeger(L, 2);
  char *in = (char *)lua_tolstring(L, 1, &left) + from;
  const lpb_charset_label *charset = lua_touserdata(L, 3);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  for (left -= from; left > 0;)
    convert_chunk(lua_touserdata(L, 4), charset->form, &in, &left, &b);
  luaL_pushresult(&b);
  return 1;
}

static bool push_converted(lua_State *L, int text, size_t from,
                           const lpb_charset_label *charset) {
  luaL_checkstack(L, 6, NULL);
  lua_pushcfunction(L, convert);
  lua_pushvalue(L, text);
  lua_pushinteger(L, (lua_Integer)from);
  lua_pushlightuserdata(L, (void *)charset);
  iconv_t cd = iconv_open("UTF-8", charset->iconv);
  if (cd == (iconv_t)-1) {
    lua_pop(L, 4);
    return false;
  }
  lua_pushlightuserdata(L, cd);
  int status = lua_pcall(L, 4, 1, 0);
  iconv_close(cd);
  if (status != LUA_OK) lua_error(L);
  return true;
}

bool lpb_charset_decode_push(lua_State *L, int text, size_t from,
                             const lpb_charset_label *charset) {
  if (charset->form != LPB_CHARSET_UTF8) return push_converted(L, text, from, charset);
  size_t len;
  const char *s = lua_tolstring(L, text, &len), *end = s + len;
  if (find_wrong(s + from, end) < end) {
    push_mended(L, s + from, end);
  } else if (from > 0) {
    lua_pushlstring(L, s + from, len - from);
  } else {
    lua_pushvalue(L, text);
  }
  return true;
}
