/* bindings/http/http.c: luapool.http.core: clients, requests and streams for
 * scripts/luapool/http.lua.
 *
 * A request is an operation that holds a transfer of the client until its Response is pushed. A
 * stream keeps the transfer in its own Lua object, and each read of it is an operation. Layer:
 * bindings. */
#include "bindings/bindings.h"

#include <lauxlib.h>

#include "bindings/http/client.h"
#include "bindings/http/options.h"
#include "bindings/http/result.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"
#include "runtime/wire/wire.h"

#define CLIENT "luapool.http.core.client"
#define STREAM "luapool.http.core.stream"

typedef lpb_http_transfer *stream; /* NULL once it is at its end or closed */

/* --- requests --- */

static void request_cancel(lp_op *op, int why) {
  lpb_http_wait *w = (lpb_http_wait *)op;
  if (w->transfer) lpb_http_client_stop(w->transfer);
  lp_op_finish(op, why);
}

static void request_close(lp_op *op) {
  lpb_http_client_give(((lpb_http_wait *)op)->transfer);
}

/* Hands the transfer over to a stream's Lua object, and sets it in the Response on top. */
static void push_stream(lua_State *L, lpb_http_wait *w) {
  stream *s = lua_newuserdatauv(L, sizeof *s, 1);
  *s = NULL;
  luaL_setmetatable(L, STREAM);
  lua_pushvalue(L, 1); /* the client, which must outlive it */
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "stream");
  *s = w->transfer;
  (*s)->owner = s;
  (*s)->wait = NULL;
  w->transfer = NULL;
  lua_pop(L, 1);
}

static int raise_unbegun(lua_State *L, const lpb_http_wait *w) {
  if (w->op.status == LP_ECLOSED) return lp_raise(L, "aborted", "the http client is closed");
  if (w->op.status != LP_ECORRUPT) return lp_raise_code(L, w->op.status, "http request");
  return lp_raise(L, "protocol", "%s %s: %s", lua_tostring(L, 2), lua_tostring(L, 3), w->why);
}

static int request_results(lua_State *L, lp_op *op) {
  lpb_http_wait *w = (lpb_http_wait *)op;
  if (op->status == LP_ECANCELLED) return lp_op_raise(L, op);
  if (!w->transfer) return raise_unbegun(L, w);
  bool readable = w->transfer->stream && w->transfer->headed && op->status == 0;
  if (!readable && lpb_http_result_failed(w->transfer, op->status)) {
    lpb_http_result_push_error(L, w->transfer, op->status);
    return lua_error(L);
  }
  lpb_http_result_push(L, w->transfer, 3);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setmetatable(L, -2);
  if (w->transfer->stream) push_stream(L, w);
  return 1;
}

static const lp_op_class request_class = {
    .name = "http request",
    .cancel = request_cancel,
    .results = request_results,
    .close = request_close,
};

/* Begins the request whose arguments are on the stack. Returns 0, or a negative code and
 * w->why. */
static int begin(lua_State *L, lpb_http_client *c, lpb_http_wait *w) {
  size_t len;
  const char *url = lua_tolstring(L, 3, &len);
  lpb_http_transfer *t = lpb_http_client_take(c, lp_state_of(L));
  if (!t) return c->closed ? LP_ECLOSED : LP_EMEMORY;
  w->transfer = t;
  t->began = uv_hrtime();
  t->url = lpb_http_host_url(&c->hosts, url, len, &w->why);
  if (t->url)
    w->why = lpb_http_options_set(L, t, lua_tostring(L, 2), lua_istable(L, 4) ? 4 : 0);
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

/* A client; luaL_checkudata without its look-up of the class. */
static lpb_http_client *check_client(lua_State *L) {
  if (!lua_getmetatable(L, 1) || !lua_rawequal(L, -1, lua_upvalueindex(1)))
    luaL_checkudata(L, 1, CLIENT); /* raises */
  lua_pop(L, 1);
  return lua_touserdata(L, 1);
}

/* request(client, method, url [, plan]) -> Response. The stack stays as it is until the end:
 * curl reads the body of the plan where it is. */
static int http_request(lua_State *L) {
  lpb_http_client *c = check_client(L);
  luaL_checkstring(L, 2);
  luaL_checkstring(L, 3);
  lua_settop(L, 4);
  lpb_http_wait *w = lp_op_new(L, &request_class, sizeof *w);
  int rc = begin(L, c, w);
  if (rc < 0) lp_op_finish(&w->op, rc);
  return lp_op_await(L, &w->op, w->transfer ? w->transfer->timeout : -1);
}

/* --- streams --- */

static void read_cancel(lp_op *op, int why) {
  lp_op_finish(op, why);
}

static void read_close(lp_op *op) {
  lpb_http_wait *w = (lpb_http_wait *)op;
  if (w->transfer) w->transfer->wait = NULL;
}

static int stream_take(lua_State *L, stream *s) {
  lpb_http_transfer *t = *s;
  if (t->body.len == 0) { /* the end */
    *s = NULL;
    lpb_http_client_give(t);
    return 0;
  }
  lua_pushlstring(L, t->body.data, t->body.len);
  t->body.len = 0;
  if (t->stage == LP_HTTP_RUNNING) lpb_http_transfer_resume(t);
  return 1;
}

static int stream_fail(lua_State *L, stream *s, int status) {
  lpb_http_transfer *t = *s;
  lpb_http_result_push_error(L, t, status);
  *s = NULL;
  lpb_http_client_give(t);
  return lua_error(L);
}

static int read_results(lua_State *L, lp_op *op) {
  stream *s = lua_touserdata(L, 1);
  if (op->status == LP_ECANCELLED) return lp_op_raise(L, op);
  if (!*s) return lp_raise(L, "aborted", "the stream or its http client is closed");
  if (op->status == 0 && (*s)->body.len > 0) return stream_take(L, s);
  if (lpb_http_result_failed(*s, op->status)) return stream_fail(L, s, op->status);
  return stream_take(L, s);
}

static const lp_op_class read_class = {
    .name = "http stream",
    .cancel = read_cancel,
    .results = read_results,
    .close = read_close,
};

/* stream:read() -> string, or nothing at the end. Waits for the next piece. */
static int stream_read(lua_State *L) {
  stream *s = luaL_checkudata(L, 1, STREAM);
  lua_settop(L, 1);
  if (!*s) return 0;
  if ((*s)->wait) return lp_raise(L, "usage", "another task reads this stream");
  if ((*s)->body.len > 0) return stream_take(L, s);
  lpb_http_wait *w = lp_op_new(L, &read_class, sizeof *w);
  lpb_http_transfer *t = *s;
  w->transfer = t;
  t->wait = w;
  if (t->stage == LP_HTTP_ENDED)
    lp_op_finish(&w->op, 0);
  else
    lpb_http_transfer_resume(t);
  return lp_op_await(L, &w->op, t->timeout);
}

/* stream:close(): breaks the transfer off; safe twice. */
static int stream_close(lua_State *L) {
  stream *s = luaL_checkudata(L, 1, STREAM);
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

/* --- clients --- */

/* client(limit, limit_per_host, cookies) -> client; limit_per_host 0: as many as limit. */
static int http_client(lua_State *L) {
  int limit = (int)luaL_checkinteger(L, 1), per_host = (int)luaL_checkinteger(L, 2);
  lpb_http_client *c = lua_newuserdatauv(L, sizeof *c, 0);
  lpb_http_client_open(c, limit, per_host, lua_toboolean(L, 3));
  luaL_setmetatable(L, CLIENT);
  return 1;
}

/* client:close(): breaks off what is under way; safe twice. */
static int client_close(lua_State *L) {
  lpb_http_client_close(luaL_checkudata(L, 1, CLIENT));
  return 0;
}

static void open_classes(lua_State *L) {
  static const luaL_Reg client_methods[] = {
      {"close", client_close}, {"__gc", client_close}, {"__close", client_close}, {NULL, NULL}};
  static const luaL_Reg stream_methods[] = {{"read", stream_read},
                                            {"close", stream_close},
                                            {"__gc", stream_close},
                                            {"__close", stream_close},
                                            {NULL, NULL}};
  const struct {
    const char *name;
    const luaL_Reg *methods;
  } classes[] = {{CLIENT, client_methods}, {STREAM, stream_methods}};
  for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
    luaL_newmetatable(L, classes[i].name);
    luaL_setfuncs(L, classes[i].methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
  }
}

/* A class whose methods are the Lua half's; its objects travel by its name. */
static void open_travelling(lua_State *L, const char *field, const char *name) {
  luaL_newmetatable(L, name);
  lp_wire_name(L, -1, name);
  lua_setfield(L, -2, field);
}

int luaopen_luapool_http_core(lua_State *L) {
  lua_newtable(L);
  open_classes(L);
  open_travelling(L, "Response", "luapool.http.Response");
  open_travelling(L, "Headers", "luapool.http.Headers");
  lua_pushliteral(L, LP_HTTP_AGENT);
  lua_setfield(L, -2, "agent");
  lua_pushliteral(L, LP_HTTP_ENCODINGS);
  lua_setfield(L, -2, "encodings");
  lua_pushcfunction(L, http_client);
  lua_setfield(L, -2, "client");
  luaL_getmetatable(L, CLIENT);
  lua_getfield(L, -2, "Response");
  lua_pushcclosure(L, http_request, 2);
  lua_setfield(L, -2, "request");
  return 1;
}
