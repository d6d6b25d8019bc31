/* bindings/http/stream.c: a stream is a Lua object that keeps a transfer; each read of it is an
 * operation. Layer: bindings. */
#include "bindings/http/stream.h"

#include <lauxlib.h>

#include "bindings/class.h"
#include "bindings/http/client.h"
#include "bindings/http/result.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/usage.h"

static const char STREAM[] = "luapool.http.core.stream";

typedef lpb_http_transfer *stream; /* NULL once it is at its end or closed */

void lpb_http_stream_push(lua_State *L, lpb_http_transfer *t, int client) {
  client = lua_absindex(L, client);
  stream *s = lp_object_new(L, sizeof *s, 1);
  *s = NULL;
  luaL_setmetatable(L, STREAM);
  lua_pushvalue(L, client);
  lua_setiuservalue(L, -2, 1);
  *s = t;
  t->owner = s;
  t->wait = NULL;
}

static void read_cancel(lp_op *op, int why) {
  lpb_http_transfer_wait *w = (lpb_http_transfer_wait *)op;
  double left = why == LP_ETIMEOUT && w->transfer ? lpb_http_client_left(w->transfer) : 0;
  if (left > 0) { /* bytes have come of which nothing could be read */
    lp_op_extend(op, left);
    return;
  }
  lp_op_finish(op, why);
}

/* Also called when the results are there: an operation that raises lives on for a while, and
 * the transfer may be freed meanwhile. */
static void read_close(lp_op *op) {
  lpb_http_transfer_wait *w = (lpb_http_transfer_wait *)op;
  if (w->transfer) w->transfer->wait = NULL;
  w->transfer = NULL;
}

static int stream_take(lua_State *L, stream *s) {
  lpb_http_transfer *t = *s;
  if (t->body.bytes.len == 0) { /* the end */
    lua_pushnil(L);
    lua_pushlstring(L, t->trailer.data, t->trailer.len);
    *s = NULL;
    lpb_http_client_give(t);
    return 2;
  }
  lua_pushlstring(L, t->body.bytes.data, t->body.bytes.len);
  t->body.bytes.len = 0;
  lpb_http_transfer_resume(t);
  return 1;
}

static int stream_fail(lua_State *L, stream *s, int status) {
  lpb_http_transfer *t = *s;
  lpb_http_result_push_error(L, t, status);
  *s = NULL;
  lpb_http_client_stop(t);
  if (status == LP_ETIMEOUT) lpb_http_client_suspect(t);
  lpb_http_client_give(t);
  return lua_error(L);
}

static int read_results(lua_State *L, lp_op *op) {
  stream *s = lua_touserdata(L, 1);
  read_close(op);
  if (op->status == LP_ECANCELLED) return lp_op_raise(L, op);
  if (!*s) return lp_raise(L, "aborted", "the stream or its http client is closed");
  if (op->status == 0 && (*s)->body.bytes.len > 0) return stream_take(L, s);
  if (lpb_http_result_failed(*s, op->status)) return stream_fail(L, s, op->status);
  return stream_take(L, s);
}

static const lp_op_class read_class = {
    .name = "http stream",
    .cancel = read_cancel,
    .results = read_results,
    .close = read_close,
};

/* stream:read() -> string; at the end nil and the lines behind the body; nothing behind that.
 * Waits for the next piece. */
static int stream_read(lua_State *L) {
  stream *s = lpb_class_check(L, STREAM);
  lua_settop(L, 1);
  if (!*s) return 0;
  if ((*s)->wait) return lp_usage_raise(L, "Response:read", "another task reads this stream");
  if ((*s)->body.bytes.len > 0) return stream_take(L, s);
  lpb_http_transfer_wait *w = lp_op_new(L, &read_class, sizeof *w);
  lpb_http_transfer *t = *s;
  w->transfer = t;
  t->wait = w;
  t->spent = 0;
  lpb_http_transfer_clock(t);
  if (t->stage == LPB_HTTP_ENDED)
    lp_op_finish(&w->op, 0);
  else
    lpb_http_transfer_resume(t);
  double left = lpb_http_client_left(t);
  return lp_op_await(L, &w->op, left > 0 ? left : 0);
}

/* stream:close(). Ends the transfer; safe twice. */
static int stream_close(lua_State *L) {
  stream *s = lpb_class_check(L, STREAM);
  lpb_http_transfer *t = *s;
  if (!t) return 0;
  *s = NULL;
  if (t->wait) {
    t->wait->transfer = NULL;
    lp_op_finish(&t->wait->op, LP_ECLOSED);
  }
  lpb_http_client_give(t);
  return 0;
}

void lpb_http_stream_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"read", stream_read},
                                     {"close", stream_close},
                                     {"__gc", stream_close},
                                     {"__close", stream_close},
                                     {NULL, NULL}};
  lpb_class_new(L, STREAM, methods);
  lua_pop(L, 1);
}
