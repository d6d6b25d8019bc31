/* bindings/pool/map.c: a map over a pool. The function is encoded once, as a snapshot. The task
 * that feeds the map puts calls in as fast as workers take them; the task that consumes it
 * takes what has become of them. The map bounds the calls that workers have and the results
 * that nobody has taken yet. Layer: bindings. Process: main. */
#include "bindings/pool/map.h"

#include <stdio.h>

#include "bindings/class.h"
#include "bindings/line.h"
#include "bindings/pool/outcome.h"
#include "bindings/pool/pool.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/wire/wire.h"

static const char CLASS[] = "luapool.pool.map";

/* How many results, and how many bytes of them, may wait to be taken beside the calls that
 * workers have. In an ordered map one slow item must not stop the workers. */
enum { MOST_HELD = 1000, MOST_BYTES = 64 << 20 };

typedef struct map {
  lp_pool *pool;
  lp_snapshot *snapshot;
  lpb_line line;  /* of calls, by their `user` */
  uint64_t bytes; /* of results that have not been taken */
  bool sending;   /* an item is being encoded, or that has failed */
  bool closed;    /* nobody takes any more */
} map;

static map *check(lua_State *L) {
  return lpb_class_check(L, CLASS);
}

/* The first user value of a map: the graph of its function. The second is the pool, which
 * lives as long as the map. */
static int push_graph(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  return lua_gettop(L);
}

/* How many calls wait for a worker: so many that the feeder can sleep while workers take half
 * of them, and no worker lacks a call meanwhile. */
static uint64_t ahead(const map *m) {
  uint64_t half = lp_pool_places(m->pool) / 2, least = m->pool->crew.options.processes;
  return half > least ? half : least;
}

/* The pool of a map that is closed may be gone. */
static bool has_room(const map *m) {
  if (m->closed) return true;
  const lp_crew_options *o = &m->pool->crew.options;
  const lpb_line *line = &m->line;
  uint64_t most = lp_pool_places(m->pool) + ahead(m), running = line->running_count;
  bool rejects = o->max_pending && m->pool->calls.counts.pending >= o->max_pending && running;
  bool window = line->count < 2 * most + MOST_HELD && m->bytes < MOST_BYTES;
  return running < most && window && !rejects;
}

/* The feeder sleeps until there is room for several calls. */
static bool is_worth_waking(const lpb_line *line) {
  const map *m = lp_list_of(line, map, line);
  if (m->closed) return true;
  bool enough = line->running_count <= lp_pool_places(m->pool) + ahead(m) / 2;
  return enough && has_room(m);
}

static bool has_ended(const lp_list *link) {
  return lp_call_ended(lp_list_of(link, lp_call, user));
}

static void on_ended(lp_call *call) {
  map *m = call->owner;
  m->bytes += call->result_len;
  lpb_line_end(&m->line, &call->user);
}

/* ---- waiting at either end ---- */

/* Stack: the map. */
static int take(lua_State *L, map *m) {
  lp_list *link = lpb_line_next(&m->line);
  if (!link) return 0;
  lp_call *call = lp_list_of(link, lp_call, user);
  int graph = push_graph(L);
  lua_pushinteger(L, (lua_Integer)call->place);
  lua_pushboolean(L, call->state == LP_CALL_DONE);
  lpb_pool_outcome_push(L, call, graph);
  lua_settop(L, graph + 3);
  lpb_line_take(&m->line, link);
  m->bytes -= call->result_len;
  lp_call_release(call);
  lpb_line_wake(&m->line);
  return 3;
}

static map *map_of(const lp_op *op) {
  return lp_list_of(((const lpb_line_op *)op)->line, map, line);
}

static int consumer_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  return take(L, map_of(op));
}

static int feeder_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  lua_pushboolean(L, 1);
  return 1;
}

static void feeder_which(const lp_op *op, char *text, size_t size) {
  const lpb_line *line = ((const lpb_line_op *)op)->line;
  snprintf(text, size, "(%llu results of its map are to be taken)",
           (unsigned long long)(line->count - line->running_count));
}

static const lp_op_class feeder_class = {.name = "place in a pool",
                                         .results = feeder_results,
                                         .close = lpb_line_leave,
                                         .which = feeder_which};
static const lp_op_class consumer_class = {
    .name = "results of a pool", .results = consumer_results, .close = lpb_line_leave};

/* ---- feeding ---- */

static void add(map *m, lp_call *call) {
  call->owner = m;
  call->ended = on_ended;
  call->place = lpb_line_put(&m->line, &call->user);
}

/* Returns true, as soon as there is room for the next call. */
static int await_room(lua_State *L, map *m) {
  lua_pushboolean(L, 1);
  return has_room(m) ? 1 : lpb_line_await_room(L, &m->line, &feeder_class);
}

/* map:send(...) -> true. One call with these arguments. Waits until there is room for the next
 * one. Returns false, and sends nothing, when the map is cancelled or has all its input. Raises
 * what map:refuse is for when they cannot travel. */
static int map_send(lua_State *L) {
  map *m = check(L);
  lp_buf *bytes, *protos;
  if (!m->line.open) {
    lua_pushboolean(L, 0);
    return 1;
  }
  int n = lua_gettop(L) - 1, graph = push_graph(L);
  m->sending = true;
  lpb_pool_encode(L, m->pool, graph, 0, 2, n, &bytes, &protos);
  m->sending = false;
  uint32_t nprotos = (uint32_t)(protos->len / sizeof(uint32_t));
  const uint32_t *numbers = (const uint32_t *)protos->data;
  lp_call *call = lp_call_new(m->snapshot, numbers, nprotos, bytes->data, bytes->len);
  if (!call) return lp_raise_code(L, LP_EMEMORY, "cannot send the task");
  add(m, call);
  int rc = lp_pool_submit(m->pool, call);
  if (rc < 0) { /* the pool was terminated meanwhile, or has no room for it */
    call->state = rc == LP_ECLOSED ? LP_CALL_CANCELLED : LP_CALL_LOST;
    on_ended(call);
  }
  return await_room(L, m);
}

/* map:refuse(err) -> true. An item could not be sent, because of this error: it has failed in
 * its place. False when the error came from somewhere else. Waits as map:send does. */
static int map_refuse(lua_State *L) {
  map *m = check(L);
  lp_buf *bytes, *protos;
  bool ours = m->sending && m->line.open;
  m->sending = false;
  if (!ours) {
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_settop(L, 2);
  lua_pushnil(L); /* its traceback */
  lpb_pool_encode(L, m->pool, push_graph(L), 0, 2, 2, &bytes, &protos);
  lp_call *call = lp_call_new(NULL, NULL, 0, bytes->data, bytes->len);
  if (!call) return lp_raise_code(L, LP_EMEMORY, "cannot send the task");
  call->result = lp_call_bytes(call);
  call->result_len = call->len;
  add(m, call);
  lp_calls_refuse(&m->pool->calls, call);
  return await_room(L, m);
}

/* map:put(item, ...) -> true. The same; false when the item is nil, which is the end of the
 * input. */
static int map_put(lua_State *L) {
  if (!lua_isnoneornil(L, 2)) return map_send(L);
  lua_pushboolean(L, 0);
  return 1;
}

/* No more calls come, so the pool need not stay open for this map. */
static void end_input(map *m) {
  if (m->line.open) lp_pool_leave(m->pool);
  m->line.open = false;
}

/* map:fed(). There is no more input. */
static int map_fed(lua_State *L) {
  map *m = check(L);
  end_input(m);
  lpb_line_wake(&m->line);
  return 0;
}

/* ---- taking ---- */

/* map:next() -> place, true, value; place, false, error; or nothing when all outcomes are
 * taken. Waits. */
static int map_next(lua_State *L) {
  map *m = check(L);
  lua_settop(L, 1);
  if (lpb_line_next(&m->line) && !m->line.taker) return take(L, m);
  return lpb_line_await_next(L, &m->line, &consumer_class, -1);
}

/* ---- the end ---- */

/* map:cancel(). Cancels all calls that have not ended. map:next() still returns their outcomes.
 */
static int map_cancel(lua_State *L) {
  map *m = check(L);
  end_input(m);
  lp_list_each (link, lpb_line_running(&m->line))
    lp_pool_cancel(lp_list_of(link, lp_call, user));
  lpb_line_wake(&m->line);
  return 0;
}

static void drop(lp_list *link) {
  lp_call *call = lp_list_of(link, lp_call, user);
  call->ended = NULL;
  lp_pool_cancel(call);
  lp_call_release(call);
}

/* map:close(). Drops all calls, because nobody takes their outcomes any more. Safe twice. */
static int map_close(lua_State *L) {
  map *m = check(L);
  if (m->closed) return 0;
  m->closed = true;
  lpb_line_clear(&m->line, drop);
  end_input(m);
  lpb_line_wake(&m->line);
  lp_snapshot_release(m->snapshot);
  lp_pool_release(m->pool);
  return 0;
}

static int map_gc(lua_State *L) {
  map_close(L);
  lpb_line_detach(&check(L)->line);
  return 0;
}

/* map:counts() -> given out, not ended, not taken. */
static int map_counts(lua_State *L) {
  map *m = check(L);
  lua_pushinteger(L, (lua_Integer)m->line.last);
  lua_pushinteger(L, (lua_Integer)m->line.running_count);
  lua_pushinteger(L, (lua_Integer)m->line.count);
  return 3;
}

/* Pushes a new map. It counts as closed until nothing can fail any more. */
static map *make(lua_State *L, bool ordered) {
  static const lpb_line_class class = {has_ended, is_worth_waking};
  map *m = lp_object_new(L, sizeof *m, 2);
  *m = (map){.closed = true};
  lpb_line_init(&m->line, &class, ordered, true);
  luaL_setmetatable(L, CLASS);
  return m;
}

static void begin(map *m, lp_pool *pool) {
  m->closed = false;
  m->pool = pool;
  pool->holders++;
  lp_pool_enter(pool);
}

/* core.map(pool, fn, ordered) -> map. Takes the snapshot of fn. */
static int pool_map(lua_State *L) {
  lp_pool *pool = lpb_pool_check(L, 1);
  lp_buf *bytes, *protos;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lpb_pool_check_open(L, pool);
  map *m = make(L, lua_toboolean(L, 3));
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 2);
  lp_wire_graph(L);
  lpb_pool_encode(L, pool, lua_gettop(L), 1, 2, 1, &bytes, &protos);
  lua_setiuservalue(L, -2, 1);
  uint32_t nprotos = (uint32_t)(protos->len / sizeof(uint32_t));
  const uint32_t *numbers = (const uint32_t *)protos->data;
  m->snapshot = lp_pool_snapshot(pool, numbers, nprotos, bytes->data, bytes->len);
  if (!m->snapshot) return lp_raise_code(L, LP_EMEMORY, "cannot send the function");
  begin(m, pool);
  return 1;
}

const luaL_Reg lpb_pool_map_functions[] = {{"map", pool_map}, {NULL, NULL}};

void lpb_pool_map_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"put", map_put},       {"send", map_send},
                                     {"refuse", map_refuse}, {"fed", map_fed},
                                     {"next", map_next},     {"cancel", map_cancel},
                                     {"close", map_close},   {"counts", map_counts},
                                     {"__gc", map_gc},       {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
