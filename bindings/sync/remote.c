/* bindings/sync/remote.c: main receives what workers ask of the objects of luapool.sync, and
 * answers. Layer: bindings. Process: main. */
#include "bindings/sync/remote.h"

#include <string.h>

#include "bindings/class.h"
#include "runtime/loop/environment.h"
#include "runtime/pool/fleet.h"
#include "runtime/pool/object.h"
#include "runtime/pool/remote.h"
#include "runtime/pool/slot.h"
#include "runtime/wire/wire.h"

static const char CLASS[] = "luapool.sync.worker";

static lp_remote *check(lua_State *L) {
  return *(lp_remote **)lpb_class_check(L, CLASS);
}

static const char *const types[] = {
    "gone",
    [LP_MSG_ASK] = "ask",
    [LP_MSG_WITHDRAW] = "withdraw",
    [LP_MSG_HOLD] = "hold",
    [LP_MSG_LET_GO] = "let_go",
    [LP_MSG_TOOK] = "took",
    [LP_MSG_MOVED] = "moved",
    [LP_MSG_ENDED] = "ended",
};

static int push_ask(lua_State *L, const lp_remote *r, const lp_frame *frame) {
  lp_ask_head head;
  if (frame->len < sizeof head) return 1;
  memcpy(&head, frame->payload, sizeof head);
  lua_pushinteger(L, (lua_Integer)head.request);
  lua_pushinteger(L, head.object);
  lua_pushinteger(L, head.holder);
  lua_pushinteger(L, frame->payload + sizeof head - r->inbox.data);
  lua_pushinteger(L, (lua_Integer)(frame->len - sizeof head));
  return 6;
}

/* remote:next() -> what, then for "ask": request, object, holder, and two values for
 * remote:values; for "withdraw" and "took": request; else one or two numbers. Nothing when all
 * is worked off: the caller is to end then. */
static int remote_next(lua_State *L) {
  lp_frame frame;
  lp_remote *r = check(L);
  if (!lp_remote_next(r, &frame)) return 0;
  lua_pushstring(L, types[frame.type]);
  if (frame.type == LP_MSG_ASK) return push_ask(L, r, &frame);
  if (frame.type == LP_MSG_WITHDRAW || frame.type == LP_MSG_TOOK) {
    uint64_t request = 0;
    memcpy(&request, frame.payload, frame.len < sizeof request ? 0 : sizeof request);
    lua_pushinteger(L, (lua_Integer)request);
    return 2;
  }
  uint32_t numbers[2] = {0, 0};
  if (frame.len >= sizeof numbers) memcpy(numbers, frame.payload, sizeof numbers);
  lua_pushinteger(L, numbers[0]);
  lua_pushinteger(L, numbers[1]);
  return 3;
}

/* remote:values(place, length) -> the values of the ask that remote:next() gave last. It is
 * named by its place: frames may have come since, and moved it. */
static int remote_values(lua_State *L) {
  lp_remote *r = check(L);
  lp_wire wire = {.no_functions = lp_environment_current(L) != 0};
  size_t place = (size_t)luaL_checkinteger(L, 2), len = (size_t)luaL_checkinteger(L, 3);
  luaL_argcheck(L, place + len <= r->inbox.len, 2, "outside of what has come");
  return lp_wire_decode(L, &wire, r->inbox.data + place, len);
}

/* remote:answer(request, status, taken, ...) -> list of the numbers of objects in it, pinned,
 * or nil. status: 0 with results, 1 with kind or nil and a message, 2 withdrawn. */
static int remote_answer(lua_State *L) {
  lp_remote *r = check(L);
  lp_answer_head head = {.request = (uint64_t)luaL_checkinteger(L, 2),
                         .status = (uint32_t)luaL_checkinteger(L, 3),
                         .taken = (uint64_t)luaL_checkinteger(L, 4)};
  if (!r->slot) return 0;
  lp_buf *objects = &lp_fleet_find(r->st)->objects;
  lp_remote_answer(L, r, &head, lua_gettop(L) - 4, objects);
  if (!head.objects) return 0;
  lua_createtable(L, (int)head.objects, 0);
  for (uint32_t i = 0; i < head.objects; i++) {
    lua_pushinteger(L, ((uint32_t *)objects->data)[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* remote:taken() -> the number of the latest answer that a task of the worker has. */
static int remote_taken(lua_State *L) {
  lp_remote *r = check(L);
  lua_pushinteger(L, (lua_Integer)lp_remote_shared(r)->taken);
  return 1;
}

/* The lane that is argument 2. */
static lp_prefetch *check_lane(lua_State *L, lp_remote *r) {
  lua_Integer lane = luaL_checkinteger(L, 2);
  luaL_argcheck(L, lane >= 0 && lane < LP_LANES, 2, "no lane");
  return &lp_remote_shared(r)->lanes[lane];
}

/* remote:send_ahead(lane, object, wanted, ...) -> how many of the items were sent. `wanted`:
 * the worker says so when it takes one. */
static int remote_send_ahead(lua_State *L) {
  lp_remote *r = check(L);
  check_lane(L, r);
  lp_ahead_head head = {.lane = (uint32_t)lua_tointeger(L, 2),
                        .object = (uint32_t)luaL_checkinteger(L, 3),
                        .wanted = (uint32_t)lua_toboolean(L, 4)};
  lua_pushinteger(L, lp_remote_send_ahead(L, r, &head, lua_gettop(L) - 4));
  return 1;
}

/* remote:left(lane) -> how many items of it have no taker. */
static int remote_left(lua_State *L) {
  lua_pushinteger(L, lp_prefetch_left(check_lane(L, check(L))));
  return 1;
}

/* remote:take_back(lane) -> the number of the item that is now ours, or nil. */
static int remote_take_back(lua_State *L) {
  lp_prefetch *lane = check_lane(L, check(L));
  uint32_t number;
  do {
    if (!lp_prefetch_first(lane, &number)) return 0;
  } while (!lp_prefetch_take(lane, number));
  lua_pushinteger(L, number);
  return 1;
}

/* remote:sent(lane) -> how many items were sent in it, modulo 2^32. */
static int remote_sent(lua_State *L) {
  lua_pushinteger(L, lp_prefetch_sent(check_lane(L, check(L))));
  return 1;
}

/* remote:finished(lane) -> how many items the worker has finished, modulo 2^32. */
static int remote_finished(lua_State *L) {
  lua_pushinteger(L, atomic_load(&check_lane(L, check(L))->finished));
  return 1;
}

/* remote:give_up(served). Kills the worker; its calls run elsewhere. `served` says that the
 * task which served its requests has ended. */
static int remote_give_up(lua_State *L) {
  lp_remote *r = check(L);
  if (lua_toboolean(L, 2)) r->serving = false;
  lp_remote_give_up(r);
  return 0;
}

/* remote:name() -> "worker 2 (pid 1234)". */
static int remote_name(lua_State *L) {
  lp_remote *r = check(L);
  if (r->slot)
    lua_pushfstring(L, "worker %d (pid %d)", (int)r->slot->id, (int)r->slot->death.pid);
  else
    lua_pushliteral(L, "a worker that is gone");
  return 1;
}

static int remote_gc(lua_State *L) {
  lp_remote_release(check(L));
  return 0;
}

/* core.objects() -> the weak table of all objects that were sent, by number. */
static int sync_objects(lua_State *L) {
  lp_object_table(L);
  return 1;
}

/* core.pin(number). The object stays alive until it is unpinned as often. */
static int sync_pin(lua_State *L) {
  lp_object_pin(L, (uint32_t)luaL_checkinteger(L, 1));
  return 0;
}

/* core.unpin(number). */
static int sync_unpin(lua_State *L) {
  lp_object_unpin(lp_state_of(L), (uint32_t)luaL_checkinteger(L, 1));
  return 0;
}

/* core.serve(fn). fn(remote) is called in a task when a worker has sent something. */
static int sync_serve(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lp_remote_set_server(L, 1);
  return 0;
}

const luaL_Reg lpb_sync_remote_functions[] = {{"objects", sync_objects},
                                              {"pin", sync_pin},
                                              {"unpin", sync_unpin},
                                              {"serve", sync_serve},
                                              {NULL, NULL}};

void lpb_sync_remote_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"next", remote_next},
                                     {"values", remote_values},
                                     {"answer", remote_answer},
                                     {"taken", remote_taken},
                                     {"give_up", remote_give_up},
                                     {"name", remote_name},
                                     {"send_ahead", remote_send_ahead},
                                     {"left", remote_left},
                                     {"take_back", remote_take_back},
                                     {"sent", remote_sent},
                                     {"finished", remote_finished},
                                     {"__gc", remote_gc},
                                     {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
