/* bindings/digest/encoding.c: bytes as hexadecimal digits and as Base64 (RFC 4648), and back.
 * What cannot be read raises kind `digest` with `position`, the place of the first byte that
 * is wrong. Layer: bindings; any process. */
#include "bindings/digest/encoding.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bindings/digest/digest.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static int raise_malformed(lua_State *L, const char *function, size_t position,
                           const char *what) {
  lp_raise_push(L, "digest", "%s: at byte %I: %s", function, (LUAI_UACINT)position, what);
  lua_pushinteger(L, (lua_Integer)position);
  lua_setfield(L, -2, "position");
  return lua_error(L);
}

/* ---- hexadecimal digits ---- */

/* core.hex_encode(bytes) -> text. */
static int digest_hex_encode(lua_State *L) {
  size_t len;
  const char *bytes = lp_usage_string(L, 1, "digest.hex.encode", &len);
  luaL_Buffer b;
  lpb_digest_to_hex(bytes, len, luaL_buffinitsize(L, &b, 2 * len));
  luaL_pushresultsize(&b, 2 * len);
  return 1;
}

/* The value of a hexadecimal digit, or -1. */
static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* core.hex_decode(text) -> bytes. */
static int digest_hex_decode(lua_State *L) {
  static const char name[] = "digest.hex.decode";
  size_t len;
  const char *text = lp_usage_string(L, 1, name, &len);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, len / 2 + 1);
  for (size_t i = 0; i < len; i++) {
    int value = hex_value(text[i]);
    if (value < 0) return raise_malformed(L, name, i + 1, "it is no hexadecimal digit");
    out[i / 2] = (char)(i % 2 ? out[i / 2] | value : value << 4);
    if (i % 2 == 0 && i + 1 == len)
      return raise_malformed(L, name, len, "the last digit has no second one");
  }
  luaL_pushresultsize(&b, len / 2);
  return 1;
}

/* ---- Base64 ---- */

static const char STANDARD[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char FOR_URLS[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes the four digits of up to three bytes. */
static void put_group(const unsigned char *in, size_t n, const char *digits, char *out) {
  uint32_t bits = (uint32_t)in[0] << 16;
  if (n > 1) bits |= (uint32_t)in[1] << 8;
  if (n > 2) bits |= in[2];
  for (int i = 0; i < 4; i++) out[i] = digits[bits >> (18 - 6 * i) & 63];
}

static int push_base64(lua_State *L, const char *function, const char *digits, bool pad) {
  size_t len, done = 0;
  const unsigned char *in = (const unsigned char *)lp_usage_string(L, 1, function, &len);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, len / 3 * 4 + 4);
  size_t rest = len % 3, n = len / 3 * 4;
  for (; done + 3 <= len; done += 3, out += 4) put_group(in + done, 3, digits, out);
  if (rest > 0) {
    put_group(in + done, rest, digits, out);
    memset(out + rest + 1, '=', 3 - rest);
    n += pad ? 4 : rest + 1;
  }
  luaL_pushresultsize(&b, n);
  return 1;
}

/* core.base64_encode(bytes) -> text, padded with "=". */
static int digest_base64_encode(lua_State *L) {
  return push_base64(L, "digest.base64.encode", STANDARD, true);
}

/* core.base64url_encode(bytes) -> text with "-" and "_", without padding. */
static int digest_base64url_encode(lua_State *L) {
  return push_base64(L, "digest.base64url.encode", FOR_URLS, false);
}

/* The value of a digit of either alphabet, or -1. */
static int base64_value(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static bool is_space(unsigned char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What is wrong with the end of a text of `n` digits and `pads` signs "=", or NULL. The bits of
 * the last digit that belong to no byte must be 0: else two texts would mean the same. */
static const char *wrong_end(size_t n, size_t pads, uint32_t bits) {
  size_t rest = n % 4;
  if (rest == 1) return "the text is cut off";
  if (pads > 0 && (rest == 0 || pads != 4 - rest)) return "the padding does not fit";
  if ((rest == 2 && bits & 15) || (rest == 3 && bits & 3))
    return "the last digit has extra bits";
  return NULL;
}

/* Both alphabets are read, with and without padding; spaces and line ends are passed over. */
static int decode_base64(lua_State *L, const char *function) {
  size_t len, n = 0, made = 0, pads = 0;
  const char *text = lp_usage_string(L, 1, function, &len);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, len / 4 * 3 + 3);
  uint32_t bits = 0;
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    int value = base64_value(c);
    if (is_space(c)) continue;
    if (c == '=') {
      pads++;
      continue;
    }
    if (value < 0) return raise_malformed(L, function, i + 1, "it is no digit of Base64");
    if (pads > 0) return raise_malformed(L, function, i + 1, "it follows the padding");
    bits = bits << 6 | (uint32_t)value;
    if (++n % 4 != 1) out[made++] = (char)(bits >> (6 - 2 * ((n - 1) % 4)));
  }
  const char *wrong = wrong_end(n, pads, bits);
  if (wrong) return raise_malformed(L, function, len, wrong);
  luaL_pushresultsize(&b, made);
  return 1;
}

/* core.base64_decode(text) -> bytes. */
static int digest_base64_decode(lua_State *L) {
  return decode_base64(L, "digest.base64.decode");
}

/* core.base64url_decode(text) -> bytes. */
static int digest_base64url_decode(lua_State *L) {
  return decode_base64(L, "digest.base64url.decode");
}

const luaL_Reg lpb_digest_encoding_functions[] = {{"hex_encode", digest_hex_encode},
                                                  {"hex_decode", digest_hex_decode},
                                                  {"base64_encode", digest_base64_encode},
                                                  {"base64_decode", digest_base64_decode},
                                                  {"base64url_encode", digest_base64url_encode},
                                                  {"base64url_decode", digest_base64url_decode},
                                                  {NULL, NULL}};
