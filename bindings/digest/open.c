/* bindings/digest/open.c: luapool.digest.core: digests of strings, HMAC, random bytes.
 * scripts/luapool/digest.lua checks names and adds what is written in Lua. Nothing waits.
 * Layer: bindings; any process. */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "bindings/bindings.h"
#include "bindings/digest/digest.h"
#include "bindings/digest/encoding.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static const char HASH[] = "luapool.digest.Hash";

static void check(lua_State *L, int rc, const char *name) {
  if (rc == 0) return;
  if (rc == -ENOTSUP) lp_raise(L, "system", "libcrypto of this system refuses %s", name);
  lp_raise_code(L, rc, name);
}

/* ---- of one string ---- */

static int push_digest_of(lua_State *L, const char *name, const char *function) {
  size_t len;
  const char *bytes = lp_usage_string(L, 1, function, &len);
  char text[LPB_DIGEST_TEXT];
  lpb_digest d = {0};
  int rc = lpb_digest_open(&d, name);
  if (rc == 0) rc = lpb_digest_update(&d, bytes, len);
  if (rc == 0) rc = lpb_digest_hex(&d, text);
  lpb_digest_close(&d);
  check(L, rc, name);
  lua_pushstring(L, text);
  return 1;
}

/* Returns the SHA-256 digest of a string, as 64 hexadecimal digits.
 *
 * ```lua
 * print(digest.sha256("abc"):sub(1, 16)) --> ba7816bf8f01cfea
 * ```
 * @function digest.sha256
 * @param bytes string
 * @return string */
static int digest_sha256(lua_State *L) {
  return push_digest_of(L, "sha256", "digest.sha256");
}

/* Returns the SHA-1 digest of a string, as 40 hexadecimal digits. It is there for protocols
 * that need it: who wants to deceive can make two texts of one digest.
 *
 * ```lua
 * print(digest.sha1 "abc") --> a9993e364706816aba3e25717850c26c9cd0d89d
 * ```
 * @function digest.sha1
 * @param bytes string
 * @return string */
static int digest_sha1(lua_State *L) {
  return push_digest_of(L, "sha1", "digest.sha1");
}

/* Returns the SHA-512 digest of a string, as 128 hexadecimal digits.
 *
 * ```lua
 * print(digest.sha512("abc"):sub(1, 16)) --> ddaf35a193617aba
 * ```
 * @function digest.sha512
 * @param bytes string
 * @return string */
static int digest_sha512(lua_State *L) {
  return push_digest_of(L, "sha512", "digest.sha512");
}

/* Returns the MD5 digest of a string, as 32 hexadecimal digits. It is there for checksums and
 * old protocols: who wants to deceive can make two texts of one digest.
 *
 * ```lua
 * print(digest.md5 "abc") --> 900150983cd24fb0d6963f7d28e17f72
 * ```
 * @function digest.md5
 * @param bytes string
 * @return string */
static int digest_md5(lua_State *L) {
  return push_digest_of(L, "md5", "digest.md5");
}

/* core.hmac(name, key, bytes) -> hex. The name is known. */
static int digest_hmac(lua_State *L) {
  size_t key_len, len;
  const char *name = luaL_checkstring(L, 1),
             *key = lp_usage_string(L, 2, "digest.hmac", &key_len),
             *bytes = lp_usage_string(L, 3, "digest.hmac", &len);
  unsigned char raw[LPB_DIGEST_MOST];
  size_t n = 0;
  char text[LPB_DIGEST_TEXT];
  const unsigned char *data = (const unsigned char *)bytes;
  if (!EVP_Q_mac(NULL, "HMAC", NULL, name, NULL, key, key_len, data, len, raw, sizeof raw, &n))
    check(L, -ENOTSUP, name);
  lpb_digest_to_hex(raw, n, text);
  lua_pushlstring(L, text, 2 * n);
  return 1;
}

/* ---- piece by piece ---- */

static lpb_digest *check_self(lua_State *L, const char *method) {
  lpb_digest *d = luaL_testudata(L, 1, HASH);
  if (!d) lp_usage_self(L, method, HASH);
  return d;
}

/* core.new(name) -> hash. The name is known. */
static int digest_new(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lpb_digest *d = lp_object_new(L, sizeof *d, 0);
  d->context = NULL;
  luaL_setmetatable(L, HASH);
  check(L, lpb_digest_open(d, name), name);
  return 1;
}

/* Adds bytes. Returns the hash itself.
 *
 * ```lua
 * local hash = digest.new "sha256"
 * hash:update("a"):update("bc")
 * print(hash:hex() == digest.sha256 "abc") --> true
 * ```
 * @function Hash:update
 * @param bytes string
 * @return luapool.digest.Hash */
static int hash_update(lua_State *L) {
  lpb_digest *d = check_self(L, "Hash:update");
  size_t len;
  const char *bytes = lp_usage_string(L, 2, "Hash:update", &len);
  check(L, lpb_digest_update(d, bytes, len), "Hash:update");
  lua_settop(L, 1);
  return 1;
}

/* Returns the digest of all bytes so far, as hexadecimal digits. The hash may go on.
 *
 * ```lua
 * print(digest.new("md5"):update("abc"):hex()) --> 900150983cd24fb0d6963f7d28e17f72
 * ```
 * @function Hash:hex
 * @return string */
static int hash_hex(lua_State *L) {
  char text[LPB_DIGEST_TEXT];
  check(L, lpb_digest_hex(check_self(L, "Hash:hex"), text), "Hash:hex");
  lua_pushstring(L, text);
  return 1;
}

/* Returns the digest of all bytes so far, as bytes. The hash may go on.
 *
 * ```lua
 * local raw = digest.new("sha256"):update("abc"):raw()
 * print(#raw, digest.base64.encode(raw):sub(1, 12)) --> 32 ungWv48Bz+pB
 * ```
 * @function Hash:raw
 * @return string */
static int hash_raw(lua_State *L) {
  unsigned char raw[LPB_DIGEST_MOST];
  size_t n;
  check(L, lpb_digest_raw(check_self(L, "Hash:raw"), raw, &n), "Hash:raw");
  lua_pushlstring(L, (const char *)raw, n);
  return 1;
}

static int hash_gc(lua_State *L) {
  lpb_digest_close(lua_touserdata(L, 1));
  return 0;
}

static void open_hash(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"update", hash_update}, {"hex", hash_hex}, {"raw", hash_raw}, {NULL, NULL}};
  luaL_newmetatable(L, HASH);
  lua_pushcfunction(L, hash_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

/* ---- chance ---- */

/* core.random(n) -> n bytes. */
static int digest_random(lua_State *L) {
  size_t n = (size_t)luaL_checkinteger(L, 1);
  luaL_Buffer b;
  unsigned char *bytes = (unsigned char *)luaL_buffinitsize(L, &b, n);
  if (n > 0 && RAND_bytes(bytes, (int)n) != 1)
    return lp_raise(L, "system", "the system has no random bytes");
  luaL_pushresultsize(&b, n);
  return 1;
}

/* core.clock() -> milliseconds since 1970, and how far this one is gone, from 0 to 4095. */
static int digest_clock(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  lua_pushinteger(L, (lua_Integer)now.tv_sec * 1000 + now.tv_nsec / 1000000);
  lua_pushinteger(L, (lua_Integer)(now.tv_nsec % 1000000) * 4096 / 1000000);
  return 2;
}

static char *add_hex(char *at, uint64_t bits, int digits) {
  for (int i = digits - 1; i >= 0; i--) *at++ = "0123456789abcdef"[bits >> 4 * i & 0xF];
  return at;
}

/* core.uuid(version, high, low) -> a UUID of these 128 bits, as text; its version and its
 * variant are set. */
static int digest_uuid(lua_State *L) {
  uint64_t version = (uint64_t)luaL_checkinteger(L, 1);
  uint64_t high = (uint64_t)luaL_checkinteger(L, 2), low = (uint64_t)luaL_checkinteger(L, 3);
  high = (high & ~(uint64_t)0xF000) | version << 12;
  low = (low & ~((uint64_t)3 << 62)) | (uint64_t)1 << 63;
  static const int groups[] = {8, 4, 4, 4, 12};
  char text[36], *at = text;
  for (int i = 0, left = 128; i < 5; i++) {
    left -= 4 * groups[i];
    if (i > 0) *at++ = '-';
    at = add_hex(at, left >= 64 ? high >> (left - 64) : low >> left, groups[i]);
  }
  lua_pushlstring(L, text, sizeof text);
  return 1;
}

static void push_names(lua_State *L) {
  lua_newtable(L);
  for (int i = 0; lpb_digest_names[i]; i++) {
    lua_pushstring(L, lpb_digest_names[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

int luaopen_luapool_digest_core(lua_State *L) {
  static const luaL_Reg functions[] = {{"sha256", digest_sha256}, {"sha1", digest_sha1},
                                       {"sha512", digest_sha512}, {"md5", digest_md5},
                                       {"hmac", digest_hmac},     {"new", digest_new},
                                       {"random", digest_random}, {"clock", digest_clock},
                                       {"uuid", digest_uuid},     {NULL, NULL}};
  open_hash(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, lpb_digest_encoding_functions, 0);
  push_names(L);
  lua_setfield(L, -2, "names");
  return 1;
}
