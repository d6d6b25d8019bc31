/* bindings/http/source.c: pieces from a task go in, bytes for curl come out. See source.h.
 * Layer: bindings. */
#include "bindings/http/source.h"

#include <lauxlib.h>
#include <string.h>

#include "bindings/class.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

/* HIGH: how many bytes may wait until the task that makes them waits, too. KEPT: how many bytes
 * that curl has taken are kept. */
#ifdef LP_TINY
enum { HIGH = 8, KEPT = 16 };
#else
enum { HIGH = 64 * 1024, KEPT = 64 * 1024 };
#endif

static const char SOURCE[] = "luapool.http.core.source";

static size_t left_in(const lpb_http_source *s) {
  return s->bytes.len - s->next;
}

static void release(lpb_http_source *s) {
  if (--s->refs > 0) return;
  lp_buf_close(&s->bytes);
  lp_alloc_free(s);
}

void lpb_http_source_begin(lpb_http_source *s, lp_list *list, void (*resume)(void *transfer),
                           void *transfer) {
  s->transfer = transfer;
  s->resume = resume;
  s->refs++;
  lp_list_push(list, &s->link);
}

void lpb_http_source_end(lpb_http_source *s) {
  lp_list_remove(&s->link);
  s->transfer = NULL;
  if (s->writer) lp_op_finish(s->writer, LP_ECLOSED);
  release(s);
}

/* --- curl's side --- */

static void throw_away(lpb_http_source *s) {
  if (s->next <= KEPT && !s->passed) return;
  lp_buf_consume(&s->bytes, s->next);
  s->next = 0;
  s->passed = true;
}

size_t lpb_http_source_read(char *to, size_t size, size_t n, void *of) {
  lpb_http_source *s = of;
  size_t room = size * n, left = left_in(s);
  if (s->failed) return CURL_READFUNC_ABORT;
  if (left == 0) {
    s->starved = !s->ended;
    return s->ended ? 0 : CURL_READFUNC_PAUSE;
  }
  if (left > room) left = room;
  memcpy(to, s->bytes.data + s->next, left);
  s->next += left;
  throw_away(s);
  if (s->writer && left_in(s) <= HIGH) lp_op_finish(s->writer, 0);
  return left;
}

int lpb_http_source_seek(void *of, curl_off_t offset, int origin) {
  lpb_http_source *s = of;
  if (s->passed || offset != 0 || origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  s->next = 0;
  return CURL_SEEKFUNC_OK;
}

/* Lets curl ask again. Callbacks of curl must not call it. */
static void wake_curl(lpb_http_source *s) {
  if (!s->starved || !s->transfer) return;
  s->starved = false;
  s->resume(s->transfer);
}

/* --- the task's side --- */

typedef struct put_op {
  lp_op op;
  lpb_http_source *source;
} put_op;

static void put_close(lp_op *op) {
  lpb_http_source *s = ((put_op *)op)->source;
  s->writer = NULL;
  release(s);
}

static int put_results(lua_State *L, lp_op *op) {
  if (op->status < 0 && op->status != LP_ECLOSED) return lp_op_raise(L, op);
  lua_pushboolean(L, op->status == 0);
  return 1;
}

static const lp_op_class put_class = {
    .name = "room for a piece of a body", .results = put_results, .close = put_close};

static lpb_http_source *check(lua_State *L) {
  return *(lpb_http_source **)lpb_class_check(L, SOURCE);
}

/* source:put(piece) -> boolean. Waits while enough bytes are on their way; false when nobody
 * takes them any more. */
static int source_put(lua_State *L) {
  lpb_http_source *s = check(L);
  size_t len;
  const char *piece = luaL_checklstring(L, 2, &len);
  if (s->transfer && lp_buf_append(&s->bytes, piece, len) < 0)
    return lp_raise_code(L, LP_EMEMORY, "the body of a request");
  wake_curl(s);
  if (!s->transfer || left_in(s) <= HIGH) {
    lua_pushboolean(L, s->transfer != NULL);
    return 1;
  }
  put_op *o = lp_op_new(L, &put_class, sizeof *o);
  o->source = s;
  s->refs++;
  s->writer = &o->op;
  return lp_op_await(L, &o->op, -1);
}

/* source:finish(). No more pieces will come. */
static int source_finish(lua_State *L) {
  lpb_http_source *s = check(L);
  s->ended = true;
  wake_curl(s);
  return 0;
}

/* source:fail(). The transfer breaks off unless the body is complete. */
static int source_fail(lua_State *L) {
  lpb_http_source *s = check(L);
  s->failed = !s->ended;
  wake_curl(s);
  return 0;
}

static int source_gc(lua_State *L) {
  lpb_http_source **s = lpb_class_check(L, SOURCE);
  if (!*s) return 0;
  source_fail(L);
  release(*s);
  *s = NULL;
  return 0;
}

lpb_http_source *lpb_http_source_at(lua_State *L, int index) {
  return *(lpb_http_source **)luaL_checkudata(L, index, SOURCE);
}

int lpb_http_source_new(lua_State *L) {
  lpb_http_source **s = lp_object_new(L, sizeof *s, 0);
  *s = NULL;
  luaL_setmetatable(L, SOURCE);
  *s = lp_alloc_new(sizeof **s);
  if (!*s) return lp_raise_code(L, LP_EMEMORY, "the body of a request");
  (*s)->refs = 1;
  lp_list_init(&(*s)->link);
  return 1;
}

void lpb_http_source_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"put", source_put},
                                     {"finish", source_finish},
                                     {"fail", source_fail},
                                     {"__gc", source_gc},
                                     {NULL, NULL}};
  lpb_class_new(L, SOURCE, methods);
  lua_pop(L, 1);
}
