/* bindings/sync/waiters.c: lines of waiting tasks.
 *
 * The task that came first is woken first. Waking hands values directly to it, so no other task
 * can come between; a task that was cancelled or is too late has left the line. Lua decides, in
 * scripts/luapool/internal/sync, what an object does with its lines. Layer: bindings. */
#include "bindings/sync/waiters.h"

#include <string.h>

#include "bindings/class.h"
#include "runtime/base/list.h"
#include "runtime/loop/op.h"

static const char CLASS[] = "luapool.sync.waiters";

typedef struct waiters {
  lp_list line;      /* wait_op */
  lua_Integer n;     /* how many wait */
  lp_op_class class; /* of their waits: `name` is what is waited for */
  char name[];
} waiters;

typedef struct wait_op {
  lp_op op;
  lp_list link;
  waiters *waiters; /* alive: it is an argument of the waiting function */
  lua_State *L;     /* where it waits: its arguments are there, what it is handed goes there */
  int handed;       /* values on top of L */
} wait_op;

static void leave(wait_op *w) {
  if (lp_list_empty(&w->link)) return;
  lp_list_remove(&w->link);
  w->waiters->n--;
}

static void wait_cancel(lp_op *op, int why) {
  leave((wait_op *)op);
  lp_op_finish(op, why);
}

static int wait_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  return ((wait_op *)op)->handed;
}

static void wait_close(lp_op *op) {
  leave((wait_op *)op);
}

/* core.waiters(name) -> Waiters. An empty line; messages and dumps say that who stands in it
 * waits for a `name`. */
static int sync_waiters(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 1, &len);
  waiters *w = lua_newuserdatauv(L, sizeof *w + len + 1, 0);
  *w = (waiters){.class = {.name = w->name,
                           .cancel = wait_cancel,
                           .results = wait_results,
                           .close = wait_close}};
  memcpy(w->name, name, len + 1);
  lp_list_init(&w->line);
  luaL_setmetatable(L, CLASS);
  return 1;
}

static waiters *check(lua_State *L) {
  return lpb_class_check(L, CLASS);
}

/* waiters:wait(timeout or nil, ...) -> what it is handed. Waits in the line until it is woken.
 * Who wakes it gets `...`. */
static int waiters_wait(lua_State *L) {
  waiters *line = check(L);
  double timeout = luaL_optnumber(L, 2, -1);
  wait_op *w = lp_op_new(L, &line->class, sizeof *w);
  w->waiters = line;
  w->L = L;
  lp_list_push(&line->line, &w->link);
  line->n++;
  return lp_op_await(L, &w->op, timeout);
}

/* Copies n values from stack index `first` of `from` to the top of `to`. */
static void copy(lua_State *from, lua_State *to, int first, int n) {
  for (int i = 0; i < n; i++) lua_pushvalue(from, first + i);
  lua_xmove(from, to, n);
}

static wait_op *first_of(waiters *line) {
  return lp_list_empty(&line->line) ? NULL : lp_list_of(line->line.next, wait_op, link);
}

/* Hands the n values from index 2 on to the waiting task. */
static void hand(lua_State *L, wait_op *w, int n) {
  luaL_checkstack(L, n, NULL);
  if (!lua_checkstack(w->L, n + 1)) luaL_error(L, "too many values");
  leave(w);
  copy(L, w->L, 2, n);
  w->handed = n;
  lp_op_finish(&w->op, 0);
}

/* waiters:wake(...) -> true and what the first task in line had given to `wait`; it is handed
 * `...`. False when nobody waits. */
static int waiters_wake(lua_State *L) {
  wait_op *w = first_of(check(L));
  int n = lua_gettop(L) - 1;
  lua_pushboolean(L, w != NULL);
  if (!w) return 1;
  int given = lua_gettop(w->L) - 2;
  if (given < 0) given = 0;
  luaL_checkstack(L, given, NULL);
  if (!lua_checkstack(w->L, given)) luaL_error(L, "too many values");
  copy(w->L, L, 3, given);
  hand(L, w, n);
  return given + 1;
}

/* waiters:wake_all(...) -> how many. Each task in line is handed `...`. */
static int waiters_wake_all(lua_State *L) {
  waiters *line = check(L);
  int n = lua_gettop(L) - 1;
  lua_Integer count = line->n;
  for (wait_op *w; (w = first_of(line));) hand(L, w, n);
  lua_pushinteger(L, count);
  return 1;
}

/* waiters:given() -> list of the first value that each task in line has given to `wait`. */
static int waiters_given(lua_State *L) {
  waiters *line = check(L);
  lua_Integer n = 0;
  lua_createtable(L, (int)line->n, 0);
  lp_list_each (link, &line->line) {
    copy(lp_list_of(link, wait_op, link)->L, L, 3, 1);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* #waiters: how many wait. */
static int waiters_len(lua_State *L) {
  lua_pushinteger(L, check(L)->n);
  return 1;
}

const luaL_Reg lpb_sync_waiters_functions[] = {{"waiters", sync_waiters}, {NULL, NULL}};

void lpb_sync_waiters_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", waiters_wait},         {"wake", waiters_wake},
                                     {"wake_all", waiters_wake_all}, {"given", waiters_given},
                                     {"__len", waiters_len},         {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
