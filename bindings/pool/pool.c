/* bindings/pool/pool.c: the class of pools, which are made, closed, joined and asked for their
 * counts. scripts/luapool/pool.lua checks the options and makes the rest. Layer: bindings.
 * Process: main. */
#include "bindings/pool/pool.h"

#include <lauxlib.h>
#include <sys/wait.h>

#include "bindings/class.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/object.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"
#include "runtime/pool/fleet.h"
#include "runtime/pool/object.h"
#include "runtime/pool/slot.h"
#include "runtime/wire/wire.h"

static const char CLASS[] = "luapool.pool.core";

lp_pool *lpb_pool_check(lua_State *L, int arg) {
  return *(lp_pool **)luaL_checkudata(L, arg, CLASS);
}

/* ---- values ---- */

/* Pins the objects that were just encoded, and appends their numbers to `list`. */
static void pin_objects(lua_State *L, lp_fleet *f, lp_buf *list) {
  const uint32_t *objects = (const uint32_t *)f->objects.data;
  for (size_t i = 0; i < f->objects.len / sizeof *objects; i++) {
    uint32_t number = objects[i] | LP_OBJECT_BIT;
    int rc = lp_buf_append(list, &number, sizeof number);
    if (rc < 0) lp_raise_code(L, rc, "cannot send the task");
    lp_object_pin(L, objects[i]);
  }
}

void lpb_pool_encode(lua_State *L, lp_pool *pool, int graph, int record, int first, int n,
                     lp_buf **bytes, lp_buf **protos) {
  lp_fleet *f = pool->fleet;
  f->bytes.len = f->numbers.len = f->objects.len = 0;
  lp_wire wire = {.known = graph,
                  .record = record,
                  .protos = &f->numbers,
                  .objects = &f->objects,
                  .noun = "argument"};
  lp_wire_encode(L, &wire, first, n, &f->bytes);
  const uint32_t *numbers = (const uint32_t *)f->numbers.data;
  lp_fleet_learn(L, f, numbers, (uint32_t)(f->numbers.len / sizeof *numbers));
  pin_objects(L, f, &f->numbers);
  *bytes = &f->bytes;
  *protos = &f->numbers;
}

void lpb_pool_check_open(lua_State *L, const lp_pool *pool) {
  if (pool->life != LP_POOL_OPEN)
    lp_raise(L, "closed", "the pool is closed: it takes no new tasks");
}

/* ---- the pool ---- */

static uint32_t count_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  lua_Integer n = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* core.new(options, setup [, init, ...]) -> pool. Starts the workers. Options: processes,
 * concurrency, crash_retries, max_tasks, max_pending, task_timeout, round_robin. `setup` is
 * what worker.c reads; `init(...)` runs in each worker first. */
static int pool_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TTABLE);
  lp_crew_options options = {.processes = count_field(L, 1, "processes"),
                             .concurrency = count_field(L, 1, "concurrency"),
                             .crash_retries = count_field(L, 1, "crash_retries"),
                             .max_tasks = count_field(L, 1, "max_tasks"),
                             .max_pending = count_field(L, 1, "max_pending")};
  lua_getfield(L, 1, "task_timeout");
  options.task_timeout = lua_tonumber(L, -1);
  lua_getfield(L, 1, "round_robin");
  options.round_robin = lua_toboolean(L, -1);
  lua_pop(L, 2);
  lp_allow(L, LP_ALLOW_POOLS, "pool.new");
  lp_fleet *f = lp_fleet_find(lp_state_of(L));
  if (!f) return luaL_error(L, "a pool cannot be made in a worker");
  lp_wire wire = {.noun = "init argument", .objects = &f->objects};
  uint32_t allowed = lp_environment_allowed(lp_state_of(L), lp_environment_current(L));
  f->bytes.len = f->objects.len = 0;
  if (lp_buf_append(&f->bytes, &allowed, sizeof allowed) < 0)
    return lp_raise_code(L, LP_EMEMORY, "cannot make a pool");
  lp_wire_encode(L, &wire, 2, lua_gettop(L) - 1, &f->bytes);
  lp_pool **box = lp_object_new(L, sizeof *box, 0);
  int error;
  *box = lp_pool_open(f, &options, &f->bytes, &error);
  if (!*box) return lp_raise_code(L, error, "cannot make a pool");
  luaL_setmetatable(L, CLASS);
  pin_objects(L, f, &(*box)->objects);
  return 1;
}

/* pool:want(id). The next call must be run by this worker, which a scheduler has chosen. */
static int pool_want(lua_State *L) {
  lp_pool *pool = lpb_pool_check(L, 1);
  uint32_t most = pool->crew.options.processes;
  lua_Integer id = lua_isinteger(L, 2) ? lua_tointeger(L, 2) : 0;
  if (id < 1 || id > most) {
    const char *got = lp_usage_describe(L, 2);
    return lp_usage_raise(L, "pool.new",
                          "a scheduler returns the id of a worker, 1 to %d, got %s", (int)most,
                          got);
  }
  pool->wanted = (uint32_t)id;
  return 0;
}

/* pool:close(). The pool takes no new calls; maps that have begun may still send theirs. */
static int pool_close(lua_State *L) {
  lp_pool_close(lpb_pool_check(L, 1));
  return 0;
}

/* pool:terminate(). Cancels everything; workers leave, or are killed when they do not. */
static int pool_terminate(lua_State *L) {
  lp_pool_terminate(lpb_pool_check(L, 1));
  return 0;
}

typedef struct join_op {
  lp_op op;
  lp_pool_watch watch;
  const lp_pool *pool; /* alive: it is an argument of the waiting function */
} join_op;

static void join_happened(lp_pool_watch *w) {
  lp_op_finish(&lp_list_of(w, join_op, watch)->op, 0);
}

static void join_close(lp_op *op) {
  lp_list_remove(&((join_op *)op)->watch.link);
}

/* Stack of the waiting function: the pool at 1. */
static int join_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  const lp_pool *pool = lpb_pool_check(L, 1);
  if (!lp_calls_balanced(&pool->calls))
    lp_raise(L, "internal", "internal error: the counts of this pool's tasks do not match");
  return 0;
}

static void join_which(const lp_op *op, char *text, size_t size) {
  const lp_pool *pool = ((const join_op *)op)->pool;
  if (pool->life == LP_POOL_CLOSED && pool->users)
    snprintf(text, size, "(a map of it is not iterated to its end)");
}

static const lp_op_class join_class = {
    .name = "pool", .results = join_results, .close = join_close, .which = join_which};

/* The same for a process, which is a pool of one worker that is never replaced. */
static const lp_op_class join_process_class = {
    .name = "process", .results = join_results, .close = join_close};

/* Waits for the event of `watches`, unless it has happened already. */
static int await_watch(lua_State *L, lp_list *watches, bool happened, double timeout) {
  const lp_pool *pool = lpb_pool_check(L, 1);
  join_op *j = lp_op_new(L, pool->crew.single ? &join_process_class : &join_class, sizeof *j);
  j->pool = pool;
  lp_list_init(&j->watch.link);
  j->watch.happened = join_happened;
  if (happened)
    lp_op_finish(&j->op, 0);
  else
    lp_list_push(watches, &j->watch.link);
  return lp_op_await(L, &j->op, timeout);
}

/* pool:join([timeout]). Waits until all workers of a closed pool have left. */
static int pool_join(lua_State *L) {
  lp_pool *pool = lpb_pool_check(L, 1);
  double timeout = lp_usage_opt_seconds(L, 2, "pool:join");
  if (pool->life == LP_POOL_OPEN)
    return lp_raise(L, "not_closed", "close the pool before joining it");
  return await_watch(L, &pool->ends, pool->life == LP_POOL_ENDED, timeout);
}

/* Returns the pid of the worker of a pool of one, also when it is dead; 0 before it is forked.
 */
static pid_t only_pid(const lp_pool *pool) {
  const lp_slot *slot = pool->crew.slots[0];
  return slot ? slot->death.pid : pool->crew.last.pid;
}

/* pool:forked(). Waits until the worker of a pool of one is forked, or cannot be. */
static int pool_forked(lua_State *L) {
  lp_pool *pool = lpb_pool_check(L, 1);
  return await_watch(L, &pool->starts,
                     pool->life == LP_POOL_ENDED || pool->broken || only_pid(pool), -1);
}

/* pool:pid() -> of the worker of a pool of one, or nil. */
static int pool_pid(lua_State *L) {
  pid_t pid = only_pid(lpb_pool_check(L, 1));
  if (!pid) return 0;
  lua_pushinteger(L, pid);
  return 1;
}

/* pool:ended() -> bool. All its workers have left. */
static int pool_ended(lua_State *L) {
  lua_pushboolean(L, lpb_pool_check(L, 1)->life == LP_POOL_ENDED);
  return 1;
}

/* pool:single(). The worker of a new pool of one will not be replaced. */
static int pool_single(lua_State *L) {
  lp_pool *pool = lpb_pool_check(L, 1);
  pool->crew.single = true;
  pool->crew.options.max_tasks = 0;
  return 0;
}

/* pool:kill(). Cancels everything and kills the workers at once. */
static int pool_kill(lua_State *L) {
  lp_pool_kill(lpb_pool_check(L, 1));
  return 0;
}

/* pool:kill_stuck(seconds) -> whether there was one. Kills workers that have had the same call
 * on the CPU for longer, as far as such calls have seen it. The call ends with kind timeout. */
static int pool_kill_stuck(lua_State *L) {
  lp_pool *pool = lpb_pool_check(L, 1);
  lua_pushboolean(L, lp_crew_kill_stuck(&pool->crew, luaL_checknumber(L, 2)));
  return 1;
}

/* pool:exitcode() -> of the worker that died last, minus its signal; nil when none has. */
static int pool_exitcode(lua_State *L) {
  const lp_death *d = &lpb_pool_check(L, 1)->crew.last;
  if (!d->pid) return 0;
  int code = WIFSIGNALED(d->status) ? -WTERMSIG(d->status) : WEXITSTATUS(d->status);
  lua_pushinteger(L, code);
  return 1;
}

static void set_count(lua_State *L, const char *name, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, name);
}

static void push_worker(lua_State *L, const lp_slot *slot) {
  lua_createtable(L, 0, 4);
  set_count(L, "id", slot->id);
  if (slot->death.pid) set_count(L, "pid", (uint64_t)slot->death.pid); /* it has been forked */
  set_count(L, "busy", slot->load.count);
  set_count(L, "done", slot->done);
}

/* pool:stats() -> table of counts, and `workers`. */
static int pool_stats(lua_State *L) {
  lp_pool *pool = lpb_pool_check(L, 1);
  const lp_calls_counts *c = &pool->calls.counts;
  lua_createtable(L, 0, 10);
  set_count(L, "processes", pool->crew.options.processes);
  set_count(L, "submitted", c->submitted);
  set_count(L, "pending", c->pending);
  set_count(L, "running", c->running);
  set_count(L, "done", c->done);
  set_count(L, "failed", c->failed);
  set_count(L, "cancelled", c->cancelled);
  set_count(L, "lost", c->lost);
  set_count(L, "restarts", pool->crew.restarts);
  lua_createtable(L, (int)pool->crew.options.processes, 0);
  lua_Integer n = 0;
  lp_list_each (link, &pool->crew.members) {
    push_worker(L, lp_list_of(link, lp_slot, member));
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -2, "workers");
  return 1;
}

static int pool_gc(lua_State *L) {
  lp_pool **box = lua_touserdata(L, 1), *pool = *box;
  *box = NULL;
  if (!pool) return 0;
  lp_pool_terminate(pool);
  lp_pool_release(pool);
  return 0;
}

const luaL_Reg lpb_pool_functions[] = {{"new", pool_new}, {NULL, NULL}};

void lpb_pool_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"close", pool_close},       {"terminate", pool_terminate},
      {"kill", pool_kill},         {"kill_stuck", pool_kill_stuck},
      {"want", pool_want},         {"join", pool_join},
      {"stats", pool_stats},       {"forked", pool_forked},
      {"pid", pool_pid},           {"ended", pool_ended},
      {"exitcode", pool_exitcode}, {"single", pool_single},
      {"__gc", pool_gc},           {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
}
