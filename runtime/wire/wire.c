/* wire/wire.c: the doors of the wire layer. Values are written by encode.c (function.c, seen.c,
 * path.c), read by decode.c; name.c and proto.c keep what a Lua state remembers. Layer: wire.
 */
#include "runtime/wire/wire.h"

#include <lauxlib.h>

#include "runtime/loop/raise.h"
#include "runtime/wire/decode.h"
#include "runtime/wire/encode.h"
#include "runtime/wire/graph.h"
#include "runtime/wire/name.h"
#include "runtime/wire/proto.h"

void lp_wire_graph(lua_State *L) {
  lp_graph_new(L);
}

void lp_wire_encode(lua_State *L, const lp_wire *w, int first, int n, lp_buf *out) {
  if (lua_gc(L, LUA_GCISRUNNING) < 0) /* it may have interrupted an encoding into `out` */
    lp_raise(L, "cannot_send", "cannot send anything from a finalizer (__gc)");
  lp_place places[LP_SEEN_FIRST];
  lp_encoder e = {.L = L, .w = w, .out = out, .n = n, .places = places};
  e.first = lua_absindex(L, first);
  e.start = e.pos = out->len;
  e.protos = w->protos ? w->protos->len : 0;
  int top = lua_gettop(L);
  luaL_checkstack(L, 8, NULL);
  for (int i = e.first; i < e.first + n; i++) {
    lp_step root = {.kind = LP_STEP_ROOT, .index = i};
    e.path = &root;
    lp_encode_value(&e, i);
  }
  lua_settop(L, top);
  out->len = e.pos;
  if (w->protos) w->protos->len = e.protos;
}

int lp_wire_decode(lua_State *L, const lp_wire *w, const char *bytes, size_t len) {
  return lp_decode_values(L, w, bytes, len);
}

void lp_wire_proto(lua_State *L, uint32_t number) {
  lp_proto_push(L, number);
}

void lp_wire_learn(lua_State *L, uint32_t number, const char *bytecode, size_t len) {
  lp_proto_learn(L, number, bytecode, len);
}

void lp_wire_name(lua_State *L, int index, const char *name) {
  lp_name_give(L, index, name);
}
