/* bindings/job/seen.c: which items of a crawl have been seen: a set of 64-bit hashes, keyed by
 * chance, not of the keys themselves. Two of 10,000,000 keys share a hash with a probability of
 * 3 in 1,000,000; then one of them is taken for seen. The set consists of many small tables, of
 * which one grows at a time, by half: so a key costs 9.4 to 14.2 bytes, while a table grows,
 * too. Layer: bindings. Owner: Lua. Process: main. */
#include "bindings/job/seen.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "bindings/class.h"
#include "bindings/url/url.h"
#include "runtime/base/alloc.h"
#include "runtime/base/buf.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

static const char CLASS[] = "luapool.job.seen";

enum { TABLES = 256, FIRST = 16 };

/* Open addressing; 0 is a free cell. */
typedef struct table {
  uint64_t *cells;
  uint32_t size, count;
} table;

typedef struct seen {
  uint64_t key[2];
  table tables[TABLES];
  lp_buf text; /* a key that is hashed */
  lp_buf news; /* what was added since it was last asked for, while `noting` */
  bool fragments, noting;
} seen;

/* ---- SipHash-1-3 ---- */

static uint64_t rotate(uint64_t x, int n) {
  return x << n | x >> (64 - n);
}

static void mix(uint64_t v[4]) {
  v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
  v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
  v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
  v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
}

static void absorb(uint64_t v[4], uint64_t word) {
  v[3] ^= word;
  mix(v);
  v[0] ^= word;
}

static uint64_t hash_of(const uint64_t key[2], const char *bytes, size_t len) {
  uint64_t v[4] = {key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                   key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573};
  uint64_t word;
  size_t rest = len;
  for (; rest >= sizeof word; rest -= sizeof word, bytes += sizeof word) {
    memcpy(&word, bytes, sizeof word);
    absorb(v, word);
  }
  word = 0;
  if (rest) memcpy(&word, bytes, rest);
  absorb(v, word | (uint64_t)len << 56);
  v[2] ^= 0xff;
  for (int i = 0; i < 3; i++) mix(v);
  uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
  return hash ? hash : 1;
}

/* ---- the set ---- */

/* The cell that has the hash, or the free one where it belongs. The top bits have chosen the
 * table. */
static uint64_t *find(const table *t, uint64_t hash) {
  uint64_t i = (hash << 8 >> 32) * t->size >> 32;
  while (t->cells[i] && t->cells[i] != hash) i = i + 1 < t->size ? i + 1 : 0;
  return &t->cells[i];
}

static int grow(table *t) {
  table new = {.size = t->size ? t->size + t->size / 2 : FIRST, .count = t->count};
  new.cells = lp_alloc_new(new.size * sizeof *new.cells);
  if (!new.cells) return LP_EMEMORY;
  for (uint32_t i = 0; i < t->size; i++)
    if (t->cells[i]) *find(&new, t->cells[i]) = t->cells[i];
  lp_alloc_free(t->cells);
  *t = new;
  return 0;
}

/* Returns 1 when the hash is new, 0 when it was there, or LP_EMEMORY. */
static int add(seen *s, uint64_t hash) {
  table *t = &s->tables[hash >> 56];
  if ((uint64_t)t->count * 20 >= (uint64_t)t->size * 17) {
    int rc = grow(t);
    if (rc < 0) return rc;
  }
  uint64_t *cell = find(t, hash);
  if (*cell) return 0;
  if (s->noting && lp_buf_append(&s->news, &hash, sizeof hash) < 0) return LP_EMEMORY;
  *cell = hash;
  t->count++;
  return 1;
}

/* ---- keys as bytes ---- */

/* Puts the normal form of a URL into the text, or any other string as it is. */
static int put_string(seen *s, const char *text, size_t len) {
  char small[2048], *room = small;
  lpb_url url = {.text = text, .len = len};
  bool is_url = len > 7 && (text[0] == 'h' || text[0] == 'H') && memchr(text, ':', 6);
  if (is_url && LPB_URL_ROOM(len) > sizeof small) {
    room = lp_alloc_resize(NULL, LPB_URL_ROOM(len));
    if (!room) return LP_EMEMORY;
  }
  if (is_url && !lpb_url_normal(text, len, s->fragments, room, &url))
    url = (lpb_url){.text = text, .len = len};
  int rc = lp_buf_append(&s->text, url.text, url.len);
  if (room != small) lp_alloc_free(room);
  return rc;
}

/* Puts the key at `index` into the text, behind its type. Numbers that are equal in Lua have
 * the same bytes. */
static int put_key(lua_State *L, seen *s, int index, bool exact) {
  int type = lua_type(L, index), is_int = 0;
  lua_Integer integer = type == LUA_TNUMBER ? lua_tointegerx(L, index, &is_int) : 0;
  char tag = is_int ? 'i' : "?b?ns"[type];
  int rc = lp_buf_append(&s->text, &tag, 1);
  if (rc < 0) return rc;
  if (is_int) return lp_buf_append(&s->text, &integer, sizeof integer);
  if (type == LUA_TBOOLEAN) {
    bool boolean = lua_toboolean(L, index);
    return lp_buf_append(&s->text, &boolean, sizeof boolean);
  }
  if (type == LUA_TNUMBER) {
    lua_Number number = lua_tonumber(L, index);
    return lp_buf_append(&s->text, &number, sizeof number);
  }
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  return exact ? lp_buf_append(&s->text, text, len) : put_string(s, text, len);
}

/* ---- the class ---- */

static seen *check(lua_State *L) {
  return lpb_class_check(L, CLASS);
}

/* seen:add(kind, key, exact) -> whether the key is new among those of its kind; nil when it is
 * no string, number or boolean, or is nan. A key that is a URL stands for all of its forms,
 * unless `exact` is set: then it has the normal form already, or the user has made it. */
static int seen_add(lua_State *L) {
  seen *s = check(L);
  lua_Integer kind = luaL_checkinteger(L, 2);
  int type = lua_type(L, 3);
  if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN) return 0;
  if (type == LUA_TNUMBER && !lua_rawequal(L, 3, 3)) return 0;
  s->text.len = 0;
  int rc = lp_buf_append(&s->text, &kind, sizeof kind);
  if (rc == 0) rc = put_key(L, s, 3, lua_toboolean(L, 4));
  if (rc == 0) rc = add(s, hash_of(s->key, s->text.data, s->text.len));
  if (rc < 0) return lp_raise_code(L, rc, "cannot remember an item");
  lua_pushboolean(L, rc);
  return 1;
}

/* #seen: how many keys. */
static int seen_len(lua_State *L) {
  seen *s = check(L);
  lua_Integer n = 0;
  for (int i = 0; i < TABLES; i++) n += s->tables[i].count;
  lua_pushinteger(L, n);
  return 1;
}

/* seen:bytes() -> what they take. */
static int seen_bytes(lua_State *L) {
  seen *s = check(L);
  lua_Integer n = 0;
  for (int i = 0; i < TABLES; i++) n += (lua_Integer)(s->tables[i].size * sizeof(uint64_t));
  lua_pushinteger(L, n);
  return 1;
}

/* seen:news() -> the hashes that were added since the last call, as bytes for `restore`. The
 * first call begins the noting. */
static int seen_news(lua_State *L) {
  seen *s = check(L);
  s->noting = true;
  lua_pushlstring(L, s->news.data, s->news.len);
  s->news.len = 0;
  return 1;
}

/* seen:restore(bytes): adds what `news` has returned for a set with the same key. */
static int seen_restore(lua_State *L) {
  seen *s = check(L);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  bool noting = s->noting;
  s->noting = false;
  int rc = 0;
  for (uint64_t hash; rc >= 0 && len >= sizeof hash; len -= sizeof hash, bytes += sizeof hash) {
    memcpy(&hash, bytes, sizeof hash);
    rc = add(s, hash);
  }
  s->noting = noting;
  return rc < 0 ? lp_raise_code(L, rc, "cannot remember an item") : 0;
}

/* seen:key() -> the key of its hashes, as bytes. */
static int seen_key(lua_State *L) {
  seen *s = check(L);
  lua_pushlstring(L, (const char *)s->key, sizeof s->key);
  return 1;
}

static int seen_gc(lua_State *L) {
  seen *s = check(L);
  for (int i = 0; i < TABLES; i++) {
    lp_alloc_free(s->tables[i].cells);
    s->tables[i] = (table){0};
  }
  lp_buf_close(&s->text);
  lp_buf_close(&s->news);
  return 0;
}

/* job.seen(fragments, key) -> an empty set. `fragments` tells whether URLs that differ in their
 * fragments are different. `key` is that of another set, whose hashes can be restored then. */
static int new_seen(lua_State *L) {
  size_t len;
  const char *key = luaL_optlstring(L, 2, NULL, &len);
  seen *s = lp_object_new(L, sizeof *s, 0);
  *s = (seen){.fragments = lua_toboolean(L, 1)};
  luaL_setmetatable(L, CLASS);
  if (key) {
    luaL_argcheck(L, len == sizeof s->key, 2, "no key of a set");
    memcpy(s->key, key, len);
    return 1;
  }
  if (getrandom(s->key, sizeof s->key, GRND_NONBLOCK) < 0) {
    s->key[0] = (uintptr_t)s; /* early at boot */
  }
  return 1;
}

void lpb_job_seen_open(lua_State *L) {
  static const luaL_Reg functions[] = {{"seen", new_seen}, {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"add", seen_add},         {"bytes", seen_bytes}, {"key", seen_key}, {"news", seen_news},
      {"restore", seen_restore}, {"__len", seen_len},   {"__gc", seen_gc}, {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
