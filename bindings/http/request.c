/* bindings/http/request.c: a request: an operation that holds a transfer of the client until
 * its Response is pushed. Layer: bindings. */
#include "bindings/http/request.h"

#include <lauxlib.h>

#include "bindings/class.h"
#include "bindings/http/allow.h"
#include "bindings/http/client.h"
#include "bindings/http/options.h"
#include "bindings/http/result.h"
#include "bindings/http/stream.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"

static void request_cancel(lp_op *op, int why) {
  lpb_http_transfer_wait *w = (lpb_http_transfer_wait *)op;
  if (why == LP_ETIMEOUT && w->transfer) {
    double left = lpb_http_client_left(w->transfer);
    if (left > 0) { /* it has been somewhere else meanwhile, or bytes have come */
      lp_op_extend(op, left);
      return;
    }
  }
  if (w->transfer) lpb_http_client_stop(w->transfer);
  if (w->transfer && why == LP_ETIMEOUT) lpb_http_client_suspect(w->transfer);
  lp_op_finish(op, why);
}

static void request_close(lp_op *op) {
  lpb_http_client_give(((lpb_http_transfer_wait *)op)->transfer);
}

static int raise_unbegun(lua_State *L, const lpb_http_transfer_wait *w) {
  if (w->op.status == LP_ECLOSED) return lp_raise(L, "aborted", "the http client is closed");
  if (w->op.status != LP_ECORRUPT) return lp_raise_code(L, w->op.status, "http request");
  size_t len;
  const char *url = lua_tolstring(L, 3, &len);
  const char *what = lpb_http_result_push_what(L, lua_tostring(L, 2), url, len);
  return lp_raise(L, "protocol", "%s: %s", what, w->why);
}

/* Calls Response.__undecoded with the response on top of the stack. */
static void warn(lua_State *L) {
  if (luaL_getmetafield(L, -1, "__undecoded") == LUA_TNIL) return;
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
}

/* Pushes what core.request returns behind the response, and returns how many values. */
static int push_rest(lua_State *L, const lpb_http_transfer *t) {
  if (!t->redirected && !t->cookies.len) return 0;
  lua_pushboolean(L, t->redirected);
  if (!t->cookies.len) return 1;
  lua_pushlstring(L, t->cookies.data, t->cookies.len);
  return 2;
}

static int request_results(lua_State *L, lp_op *op) {
  lpb_http_transfer_wait *w = (lpb_http_transfer_wait *)op;
  if (op->status == LP_ECANCELLED) return lp_op_raise(L, op);
  if (!w->transfer) return raise_unbegun(L, w);
  bool readable = w->transfer->body.stream && w->transfer->headed && !w->transfer->redirected &&
                  op->status == 0;
  if (!readable && lpb_http_result_failed(w->transfer, op->status)) {
    lpb_http_result_push_error(L, w->transfer, op->status);
    return lua_error(L);
  }
  lpb_http_result_push(L, w->transfer, 3);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, -2);
  if (w->transfer->body.unknown) warn(L);
  lpb_http_transfer *t = w->transfer;
  if (t->body.stream && !t->redirected) {
    lpb_http_stream_push(L, t, 1);
    w->transfer = NULL;
    lua_setfield(L, -2, "stream");
  }
  return 1 + push_rest(L, t);
}

static const lp_op_class request_class = {
    .name = "http request",
    .cancel = request_cancel,
    .results = request_results,
    .close = request_close,
};

/* Tells whether the plan of the request is the one that client:keep() was told. */
static bool is_kept(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  bool same = lua_istable(L, 4) && lua_rawequal(L, 4, -1);
  lua_pop(L, 1);
  return same;
}

/* Begins the request whose arguments are on the stack. Returns 0, or a negative code and
 * w->why. */
static int begin(lua_State *L, lpb_http_client *c, lpb_http_transfer_wait *w) {
  size_t len;
  const char *url = lua_tolstring(L, 3, &len);
  lpb_http_transfer *t = lpb_http_client_take(c, lp_state_of(L));
  if (!t) return c->closed ? LP_ECLOSED : LP_EMEMORY;
  w->transfer = t;
  t->url = lpb_http_host_find_url(&c->hosts, url, len, &w->why);
  if (t->url)
    w->why =
        lpb_http_options_set(L, t, lua_tostring(L, 2), lua_istable(L, 4) ? 4 : 0, is_kept(L));
  if (w->why) {
    lpb_http_client_give(t);
    w->transfer = NULL;
    return LP_ECORRUPT;
  }
  t->wait = w;
  lpb_http_transfer_aim(t);
  lpb_http_client_start(t);
  return 0;
}

/* The stack stays as it is until the end: curl reads the body of the plan where it is. */
int lpb_http_request(lua_State *L) {
  lpb_http_client *c = lpb_class_check(L, LPB_HTTP_CLIENT);
  luaL_checkstring(L, 2);
  luaL_checkstring(L, 3);
  lua_settop(L, 4);
  lpb_http_allow(L);
  lpb_http_transfer_wait *w = lp_op_new(L, &request_class, sizeof *w);
  int rc = begin(L, c, w);
  if (rc < 0) lp_op_finish(&w->op, rc);
  double left = w->transfer && !w->op.finished ? lpb_http_client_left(w->transfer) : 0;
  return lp_op_await(L, &w->op, left > 0 ? left : 0);
}
