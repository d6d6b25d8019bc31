/* worker/ask.c: asking main, as an operation. A task that does not want to wait any more
 * withdraws its request and goes on only when main has answered: what main had given it before
 * that is not lost. Layer: worker. Process: worker. */
#include "runtime/worker/ask.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"
#include "runtime/wire/wire.h"

typedef struct ask_op {
  lp_op op;
  lp_list link; /* in asker->asked; the asker holds the op as long */
  lp_asker *asker;
  lp_answer_head head;
  const char *method; /* of the waiting function's arguments */
  char *values;
  size_t len;
  int why; /* the code that it was stopped with, or 0 */
} ask_op;

static const lp_part_class class = {0};

void lp_ask_open(lp_asker *a, lp_state *st) {
  lp_list_init(&a->asked);
  lp_part_add(st, &a->part, &class);
}

static void answer(ask_op *ask, int status) {
  lp_list_remove(&ask->link);
  lp_op_finish(&ask->op, status);
  lp_op_release(&ask->op);
}

/* How it ends when main does not do what was asked. */
static int end_code(const ask_op *ask) {
  return ask->why ? ask->why : LP_ECLOSED;
}

static void ask_cancel(lp_op *op, int why) {
  ask_op *ask = (ask_op *)op;
  uint64_t request = (uintptr_t)ask;
  ask->why = why;
  if (ask->asker->closed)
    lp_op_finish(op, why);
  else
    ask->asker->post(ask->asker, LP_MSG_WITHDRAW, &request, sizeof request, NULL, 0);
}

/* Stack on top: kind or nil, message. */
static int raise_answer(lua_State *L) {
  const char *kind = lua_tostring(L, -2), *message = lua_tostring(L, -1);
  if (!message) return lua_error(L);
  return lp_raise(L, kind ? kind : "internal", "%s", message);
}

static int ask_results(lua_State *L, lp_op *op) {
  ask_op *ask = (ask_op *)op;
  if (op->status < 0) return lp_op_raise(L, op);
  if (ask->head.taken) ask->asker->shared->taken = ask->head.taken;
  lp_wire wire = {0};
  int n = lp_wire_decode(L, &wire, ask->values, ask->len);
  if (ask->head.objects)
    ask->asker->post(ask->asker, LP_MSG_TOOK, &ask->head.request, sizeof ask->head.request,
                     NULL, 0);
  return ask->head.status == LP_ANSWER_ERROR ? raise_answer(L) : n;
}

static void ask_close(lp_op *op) {
  lp_alloc_free(((ask_op *)op)->values);
}

static void ask_which(const lp_op *op, char *text, size_t size) {
  snprintf(text, size, "(%s)", ((const ask_op *)op)->method);
}

static const lp_op_class ask_class = {.name = "object of the main process",
                                      .which = ask_which,
                                      .cancel = ask_cancel,
                                      .results = ask_results,
                                      .close = ask_close};

lp_asker *lp_ask_find(lua_State *L) {
  lp_part *part = lp_part_find(lp_state_of(L), &class);
  return part ? lp_list_of(part, lp_asker, part) : NULL;
}

/* Encodes the name of a method and its arguments, from stack index 3 on, into `out`. */
static lp_ask_head encode(lua_State *L, lp_buf *out) {
  lp_ask_head head = {.object = (uint32_t)luaL_checkinteger(L, 1),
                      .holder = (uint32_t)luaL_checkinteger(L, 2)};
  luaL_checkstring(L, 3);
  lp_wire wire = {.noun = "argument"};
  out->len = 0;
  lp_wire_encode(L, &wire, 3, lua_gettop(L) - 2, out);
  return head;
}

/* The operation is made first: in a finalizer that raises, as nobody may wait there, and
 * `scratch` is left to the task in whose encoding the finalizer runs. When encoding raises,
 * nobody else has heard of the operation. */
int lp_ask(lua_State *L) {
  lp_asker *a = lp_ask_find(L);
  if (!a || a->closed) return lp_raise_code(L, LP_ECLOSED, "the main process");
  ask_op *ask = lp_op_new(L, &ask_class, sizeof *ask);
  ask->asker = a;
  lp_ask_head head = encode(L, &a->scratch);
  ask->method = lua_tostring(L, 3);
  lp_list_push(&a->asked, &ask->link);
  lp_op_hold(&ask->op);
  head.request = (uintptr_t)ask;
  a->post(a, LP_MSG_ASK, &head, sizeof head, a->scratch.data, a->scratch.len);
  return lp_op_await(L, &ask->op, -1);
}

void lp_ask_post(lua_State *L) {
  lp_asker *a = lp_ask_find(L);
  if (!a || a->closed) return;
  lp_ask_head head = encode(L, &a->posted);
  a->post(a, LP_MSG_ASK, &head, sizeof head, a->posted.data, a->posted.len);
}

void lp_ask_notify(lua_State *L, uint8_t type, uint32_t first, uint32_t second) {
  lp_asker *a = lp_ask_find(L);
  uint32_t numbers[2] = {first, second};
  if (a && !a->closed) a->post(a, type, numbers, sizeof numbers, NULL, 0);
}

/* NULL when nothing is known of the request, as when something else in this process has written
 * to the channel. Most answers come in the order of their requests. */
static ask_op *find(lp_asker *a, uint64_t request) {
  lp_list_each (link, &a->asked) {
    ask_op *ask = lp_list_of(link, ask_op, link);
    if ((uintptr_t)ask == request) return ask;
  }
  return NULL;
}

int lp_ask_answered(lp_asker *a, const lp_frame *frame) {
  lp_answer_head head;
  if (frame->len < sizeof head) return 0;
  memcpy(&head, frame->payload, sizeof head);
  ask_op *ask = find(a, head.request);
  if (!ask) return 0;
  ask->head = head;
  ask->len = frame->len - sizeof head;
  ask->values = lp_alloc_new(ask->len + 1);
  if (!ask->values) return LP_EMEMORY;
  memcpy(ask->values, frame->payload + sizeof head, ask->len);
  answer(ask, head.status == LP_ANSWER_WITHDRAWN ? end_code(ask) : 0);
  return 0;
}

/* ---- items that main sends ahead ---- */

static lp_lane *find_lane(lp_asker *a, uint32_t object) {
  for (uint32_t i = 0; a && !a->closed && i < a->lane_count; i++)
    if (a->lanes[i].object == object) return &a->lanes[i];
  return NULL;
}

/* What the lane still has was taken back by main. A queue that had another lane before has this
 * one now. */
int lp_ask_ahead(lp_asker *a, const lp_frame *frame) {
  lp_ahead_head head;
  if (frame->len < sizeof head) return 0;
  memcpy(&head, frame->payload, sizeof head);
  if (head.lane >= LP_LANES) return 0;
  lp_lane *old = find_lane(a, head.object), *lane = &a->lanes[head.lane];
  if (old) old->object = 0;
  if (head.lane >= a->lane_count) a->lane_count = head.lane + 1;
  lane->object = head.object;
  lane->next = head.first;
  lane->end = head.first + head.count;
  lane->wanted = head.wanted;
  lane->items.len = lane->at = 0;
  return lp_buf_append(&lane->items, frame->payload + sizeof head, frame->len - sizeof head);
}

/* One frame a flush is enough: main looks at the shared memory. */
static void tell_moved(lua_State *L, lp_asker *a, const lp_lane *lane) {
  uint32_t index = (uint32_t)(lane - a->lanes);
  if (a->moved >> index & 1) return;
  a->moved |= UINT64_C(1) << index;
  lp_ask_notify(L, LP_MSG_MOVED, index, 0);
}

/* Takes the first item that has no taker, if it has come already. */
static bool take(lp_lane *lane, lp_prefetch *p, uint32_t *number) {
  do {
    if (!lp_prefetch_first(p, number)) return false;
    if (*number - lane->next >= lane->end - lane->next) return false;
  } while (!lp_prefetch_take(p, *number));
  return true;
}

/* Finds the values of the item in what has come; main has taken back those before it. */
static bool find_values(lp_lane *lane, uint32_t number, const char **values, uint32_t *len) {
  do {
    if (lane->items.len - lane->at < sizeof *len) return false;
    memcpy(len, lane->items.data + lane->at, sizeof *len);
    lane->at += sizeof *len;
    if (lane->items.len - lane->at < *len) return false;
    *values = lane->items.data + lane->at;
    lane->at += *len;
  } while (lane->next++ != number);
  return true;
}

/* The bytes stay where they are while they are decoded, also when that runs scripts: frames are
 * only read between tasks. */
int lp_ask_take(lua_State *L, uint32_t object) {
  lp_asker *a = lp_ask_find(L);
  lp_lane *lane = find_lane(a, object);
  uint32_t number, len;
  const char *values;
  if (!lane || !take(lane, &a->shared->lanes[lane - a->lanes], &number)) return 0;
  if (lane->wanted) tell_moved(L, a, lane);
  if (!find_values(lane, number, &values, &len)) return 0;
  lp_wire wire = {0};
  return lp_wire_decode(L, &wire, values, len);
}

bool lp_ask_finish(lua_State *L, uint32_t object) {
  lp_asker *a = lp_ask_find(L);
  lp_lane *lane = find_lane(a, object);
  if (!lane) return false;
  atomic_fetch_add(&a->shared->lanes[lane - a->lanes].finished, 1);
  tell_moved(L, a, lane);
  return true;
}

void lp_ask_flushed(lp_asker *a) {
  a->moved = 0;
}

void lp_ask_close(lp_asker *a) {
  a->closed = true;
  while (a->asked.next && !lp_list_empty(&a->asked)) {
    ask_op *ask = lp_list_of(a->asked.next, ask_op, link);
    answer(ask, end_code(ask));
  }
  lp_buf_close(&a->scratch);
  lp_buf_close(&a->posted);
  for (int i = 0; i < LP_LANES; i++) lp_buf_close(&a->lanes[i].items);
}
