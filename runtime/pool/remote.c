/* pool/remote.c: main's end of objects that stay with it. Layer: pool. Process: main. */
#include "runtime/pool/remote.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/pool/fleet.h"
#include "runtime/pool/object.h"
#include "runtime/pool/slot.h"
#include "runtime/wire/wire.h"

/* Its address is a key of the registry. */
static const char server_key;

/* ---- frames in, worked off by a task ---- */

static lp_remote *remote_of(lp_slot *slot) {
  if (slot->remote) return slot->remote;
  lp_remote *r = lp_alloc_new(sizeof *r);
  if (!r) return NULL;
  r->st = slot->fleet->st;
  r->slot = slot;
  r->holders = 1;
  r->object = LUA_NOREF;
  return slot->remote = r;
}

void lp_remote_release(lp_remote *r) {
  if (--r->holders > 0) return;
  lp_buf_close(&r->inbox);
  lp_alloc_free(r);
}

int lp_remote_receive(lp_slot *slot, const lp_frame *frame) {
  lp_remote *r = remote_of(slot);
  return r ? lp_frame_append(&r->inbox, frame->type, frame->payload, frame->len) : LP_EMEMORY;
}

void lp_remote_give_up(lp_remote *r) {
  if (r->slot) lp_slot_kill(r->slot);
}

static void push_object(lua_State *L, lp_remote *r) {
  if (r->object == LUA_NOREF) {
    lp_remote **box = lp_object_new(L, sizeof *box, 0);
    *box = r;
    r->holders++;
    luaL_setmetatable(L, "luapool.sync.worker");
    lua_pushvalue(L, -1);
    r->object = luaL_ref(L, LUA_REGISTRYINDEX);
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, r->object);
}

/* Protected. Stack: the remote (light). The task runs before those that were woken already: an
 * effect that was sent before a result is there before the result is seen. */
static int spawn(lua_State *L) {
  lp_remote *r = lua_touserdata(L, 1);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &server_key) != LUA_TFUNCTION) return 0;
  push_object(L, r);
  lp_task *t = lp_task_spawn(L, 1);
  if (r->slot) lp_environment_move(t, r->slot->context->environment);
  lp_list_remove(&t->link);
  lp_list_unshift(&r->st->ready, &t->link);
  r->serving = true;
  return 0;
}

static void serve(lp_remote *r) {
  lua_State *L = r->st->L;
  if (r->serving || !L) return;
  lua_pushcfunction(L, spawn);
  lua_pushlightuserdata(L, r);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  lua_pop(L, 1);
  lp_remote_give_up(r);
}

void lp_remote_serve(lp_slot *slot) {
  lp_remote *r = slot->remote;
  if (r && r->at < r->inbox.len) serve(r);
}

void lp_remote_lose(lp_slot *slot) {
  lp_remote *r = slot->remote;
  if (!r) return;
  if (slot->shared) memcpy(&r->last, slot->shared, sizeof r->last);
  r->slot = NULL;
  slot->remote = NULL;
  serve(r);
  lp_remote_release(r);
}

/* The worker is gone and all that it had said is done: nobody asks for the Lua object again. */
static void forget(lp_remote *r) {
  r->told = true;
  luaL_unref(r->st->L, LUA_REGISTRYINDEX, r->object);
  r->object = LUA_NOREF;
}

bool lp_remote_next(lp_remote *r, lp_frame *frame) {
  long n = lp_frame_read(r->inbox.data + r->at, r->inbox.len - r->at, frame);
  if (n > 0) {
    r->at += (size_t)n;
    return true;
  }
  r->inbox.len = r->at = 0;
  if (!r->slot && !r->told) {
    forget(r);
    *frame = (lp_frame){0};
    return true;
  }
  if (r->inbox.cap > 1 << 20) lp_buf_close(&r->inbox);
  r->serving = false;
  return false;
}

/* ---- answers ---- */

static void pin_all(lua_State *L, const lp_buf *objects) {
  const uint32_t *numbers = (const uint32_t *)objects->data;
  for (size_t i = 0; i < objects->len / sizeof *numbers; i++) lp_object_pin(L, numbers[i]);
}

void lp_remote_answer(lua_State *L, lp_remote *r, lp_answer_head *head, int n,
                      lp_buf *objects) {
  if (!r->slot) return;
  lp_fleet *f = lp_fleet_find(r->st);
  lp_wire wire = {.noun = "item", .objects = objects};
  objects->len = f->bytes.len = 0;
  lp_wire_encode(L, &wire, lua_gettop(L) - n + 1, n, &f->bytes);
  pin_all(L, objects);
  head->objects = (uint32_t)(objects->len / sizeof(uint32_t));
  int rc = lp_slot_post_parts(r->slot, LP_MSG_ANSWER, head, sizeof *head, f->bytes.data,
                              f->bytes.len);
  if (rc == 0) return;
  for (uint32_t i = 0; i < head->objects; i++)
    lp_object_unpin(r->st, ((uint32_t *)objects->data)[i]);
  lp_raise_code(L, rc, "an answer to a worker");
}

/* ---- items sent ahead ---- */

lp_shared *lp_remote_shared(lp_remote *r) {
  return r->slot && r->slot->shared ? r->slot->shared : &r->last;
}

enum { AHEAD_MOST = 64 * 1024 }; /* bytes: larger items are worth a question each */

typedef struct ahead {
  lp_fleet *fleet;
  int count; /* items written so far */
} ahead;

/* Protected. Stack: the ahead (light), the items. */
static int write_ahead(lua_State *L) {
  ahead *a = lua_touserdata(L, 1);
  lp_buf *out = &a->fleet->bytes, *objects = &a->fleet->objects;
  lp_wire wire = {.noun = "item", .objects = objects};
  for (int i = 2; i <= lua_gettop(L); i++) {
    size_t start = out->len;
    uint32_t len = 0;
    if (lp_buf_append(out, &len, sizeof len) < 0) return 0;
    lp_wire_encode(L, &wire, i, 1, out);
    if (objects->len || out->len > AHEAD_MOST) return 0;
    len = (uint32_t)(out->len - start - sizeof len);
    memcpy(out->data + start, &len, sizeof len);
    a->count++;
  }
  return 0;
}

/* The length of the first `count` items in `bytes`. */
static size_t length_ahead(const lp_buf *bytes, int count) {
  size_t at = 0;
  while (count-- > 0) {
    uint32_t len;
    memcpy(&len, bytes->data + at, sizeof len);
    at += sizeof len + len;
  }
  return at;
}

int lp_remote_send_ahead(lua_State *L, lp_remote *r, lp_ahead_head *head, int n) {
  if (!r->slot) return 0;
  ahead a = {.fleet = lp_fleet_find(r->st)};
  lp_prefetch *p = &r->slot->shared->lanes[head->lane];
  int first = lua_gettop(L) - n + 1;
  luaL_checkstack(L, n + 2, NULL);
  a.fleet->bytes.len = a.fleet->objects.len = 0;
  lua_pushcfunction(L, write_ahead);
  lua_pushlightuserdata(L, &a);
  for (int i = 0; i < n; i++) lua_pushvalue(L, first + i);
  if (lua_pcall(L, n + 1, 0, 0) != LUA_OK) lua_pop(L, 1); /* who gets that item is told */
  a.fleet->objects.len = 0;
  if (a.count == 0) return 0;
  head->first = lp_prefetch_sent(p);
  head->count = (uint32_t)a.count;
  int rc = lp_slot_post_parts(r->slot, LP_MSG_AHEAD, head, sizeof *head, a.fleet->bytes.data,
                              length_ahead(&a.fleet->bytes, a.count));
  if (rc < 0) return 0;
  lp_prefetch_send(p, head->count);
  return a.count;
}

void lp_remote_set_server(lua_State *L, int index) {
  lua_pushvalue(L, index);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &server_key);
}
