/* bindings/redis/reader.c: replies of Redis out of bytes, by hiredis's reader.
 *
 * The bytes come in pieces of any size. While a reply is incomplete, hiredis reports its parts
 * to callbacks, which must not raise: they append them to a tape. When it is complete, the tape
 * is played: then the Lua values are made. Replies are those of RESP 2; others are refused. The
 * values: a string, an integer, a list; what is missing is nil, within a list `false`; an error
 * within a list is an error object of kind `redis`. Layer: bindings. */
#include "bindings/redis/reader.h"

#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdint.h>
#include <string.h>

#include "bindings/class.h"
#include "runtime/base/buf.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/weight.h"

static const char CLASS[] = "luapool.redis.reader";

#if HIREDIS_MAJOR >= 1
typedef size_t array_size;
#else
typedef int array_size;
#endif

#ifdef LP_TINY
enum { KEPT = 64 };
#else
enum { KEPT = 64 << 10 }; /* a tape that stays allocated */
#endif

/* How deep lists may be in one another: hiredis had this limit itself before 1.0. */
enum { DEPTH = 7 };

typedef struct reader {
  lp_state *st;
  redisReader *redis;
  lp_buf tape;
  size_t weight; /* of the bytes that have come and were not yet taken as replies */
} reader;

/* What stands at the beginning of each part on the tape; the bytes of a text follow. */
typedef struct part {
  int type; /* REDIS_REPLY_* */
  int64_t n;
} part;

/* ---- callbacks of hiredis: the tape is written ---- */

/* hiredis wants an object for each part: any address but NULL, which is an error. */
static void *write_part(const redisReadTask *task, int type, int64_t n, const char *text) {
  reader *r = task->privdata;
  part p = {.type = type, .n = n};
  size_t before = r->tape.len;
  if (lp_buf_append(&r->tape, &p, sizeof p) < 0) return NULL;
  if (text && lp_buf_append(&r->tape, text, (size_t)n) < 0) {
    r->tape.len = before;
    return NULL;
  }
  return r;
}

static void *create_string(const redisReadTask *task, char *text, size_t len) {
  bool known = task->type == REDIS_REPLY_STRING || task->type == REDIS_REPLY_STATUS ||
               task->type == REDIS_REPLY_ERROR;
  return known ? write_part(task, task->type, (int64_t)len, text) : NULL;
}

static bool is_too_deep(const redisReadTask *task) {
  int depth = 0;
  while (task->parent && depth < DEPTH) task = task->parent, depth++;
  return depth == DEPTH;
}

static void *create_array(const redisReadTask *task, array_size n) {
  if (task->type != REDIS_REPLY_ARRAY || is_too_deep(task)) return NULL;
  return write_part(task, REDIS_REPLY_ARRAY, (int64_t)n, NULL);
}

static void *create_integer(const redisReadTask *task, long long n) {
  return write_part(task, REDIS_REPLY_INTEGER, n, NULL);
}

static void *create_nil(const redisReadTask *task) {
  return write_part(task, REDIS_REPLY_NIL, 0, NULL);
}

#if HIREDIS_MAJOR >= 1
static void *create_double(const redisReadTask *task, double n, char *text, size_t len) {
  (void)task, (void)n, (void)text, (void)len;
  return NULL;
}

static void *create_bool(const redisReadTask *task, int n) {
  (void)task, (void)n;
  return NULL;
}
#endif

static void free_object(void *object) {
  (void)object;
}

static redisReplyObjectFunctions callbacks = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
    .freeObject = free_object,
};

/* ---- the tape is played ---- */

static void push_error(lua_State *L, const char *text, size_t len) {
  size_t code = 0;
  while (code < len && text[code] != ' ') code++;
  lua_pushlstring(L, text, len);
  lp_raise_push(L, "redis", "%s", lua_tostring(L, -1));
  lua_remove(L, -2);
  lua_pushlstring(L, text, code);
  lua_setfield(L, -2, "code");
}

static void push_value(lua_State *L, const lp_buf *tape, size_t *at);

/* Room is made for few items at once: the server says how many come, and may lie. */
static void push_list(lua_State *L, const lp_buf *tape, size_t *at, int64_t n) {
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, n < 1024 ? (int)n : 1024, 0);
  for (int64_t i = 1; i <= n; i++) {
    push_value(L, tape, at);
    if (lua_isnil(L, -1)) {
      lua_pop(L, 1);
      lua_pushboolean(L, 0);
    }
    lua_rawseti(L, -2, i);
  }
}

/* At most DEPTH calls deep. */
static void push_value(lua_State *L, const lp_buf *tape, size_t *at) {
  part p;
  memcpy(&p, tape->data + *at, sizeof p);
  *at += sizeof p;
  const char *text = tape->data + *at;
  switch (p.type) {
  case REDIS_REPLY_INTEGER: lua_pushinteger(L, p.n); return;
  case REDIS_REPLY_NIL: lua_pushnil(L); return;
  case REDIS_REPLY_ARRAY: push_list(L, tape, at, p.n); return;
  case REDIS_REPLY_ERROR: push_error(L, text, (size_t)p.n); break;
  default: lua_pushlstring(L, text, (size_t)p.n); break;
  }
  *at += (size_t)p.n;
}

/* ---- the class ---- */

/* core.reader() -> a reader. */
static int redis_reader(lua_State *L) {
  reader *r = lp_object_new(L, sizeof *r, 0);
  *r = (reader){.st = lp_state_of(L)};
  luaL_setmetatable(L, CLASS);
  r->redis = redisReaderCreateWithFunctions(&callbacks);
  if (!r->redis) return lp_raise_code(L, LP_EMEMORY, "redis");
  r->redis->privdata = r;
  return 1;
}

static int reader_gc(lua_State *L) {
  reader *r = lua_touserdata(L, 1);
  if (r->redis) redisReaderFree(r->redis);
  r->redis = NULL;
  lp_buf_close(&r->tape);
  lp_weight_drop(r->st, r->weight);
  r->weight = 0;
  return 0;
}

/* reader:feed(bytes). */
static int reader_feed(lua_State *L) {
  size_t len;
  reader *r = lpb_class_check(L, CLASS);
  const char *bytes = luaL_checklstring(L, 2, &len);
  lp_weight_add(L, 2 * len, "redis"); /* as it came, and on the tape */
  r->weight += 2 * len;
  if (redisReaderFeed(r->redis, bytes, len) != REDIS_OK) lp_raise_code(L, LP_EMEMORY, "redis");
  return 0;
}

/* All that has come has been taken. */
static void rest(reader *r) {
  r->tape.len = 0;
  if (r->redis->pos < r->redis->len) return;
  if (r->tape.cap > KEPT) lp_buf_close(&r->tape);
  lp_weight_drop(r->st, r->weight);
  r->weight = 0;
}

/* reader:next() -> true and the next reply; false when it has not come as a whole; nil and a
 * message when the bytes are no replies. An error as the reply: true, nil, its text. */
static int reader_next(lua_State *L) {
  reader *r = lpb_class_check(L, CLASS);
  void *reply = NULL;
  size_t at = 0;
  if (redisReaderGetReply(r->redis, &reply) != REDIS_OK) {
    lua_pushnil(L);
    lua_pushstring(L, r->redis->errstr);
    return 2;
  }
  lua_pushboolean(L, reply != NULL);
  if (!reply) return 1;
  part first;
  memcpy(&first, r->tape.data, sizeof first);
  bool failed = first.type == REDIS_REPLY_ERROR;
  if (failed) {
    lua_pushnil(L);
    lua_pushlstring(L, r->tape.data + sizeof first, (size_t)first.n);
  } else {
    push_value(L, &r->tape, &at);
  }
  rest(r);
  return failed ? 3 : 2;
}

const luaL_Reg lpb_redis_reader_functions[] = {{"reader", redis_reader}, {NULL, NULL}};

void lpb_redis_reader_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"feed", reader_feed}, {"next", reader_next}, {"__gc", reader_gc}, {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
