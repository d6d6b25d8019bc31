/* loop/task.c: the life of a task: spawned, resumed, ended; who owns its coroutine and its
 * results.
 *
 * A task's function runs below a pcall of ours, so that <close> variables may wait while an
 * error unwinds it, and so that the traceback is taken where the error was raised. Layer: loop.
 */
#include "runtime/loop/task.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"

static const char CLASS[] = "luapool.Task"; /* its address is the metatable's registry key */

/* Ended tasks that no script has seen, kept with their coroutines. */
enum { MOST_IDLE = 256 };

void lp_task_object(lua_State *L, lp_task *t) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->st->anchors);
  lua_rawgeti(L, -1, t->anchor);
  lua_remove(L, -2);
}

void lp_task_push(lua_State *L, lp_task *t) {
  t->exposed = true;
  lp_task_object(L, t);
}

int lp_task_field(lua_State *L, int index, int field) {
  lp_task *t = lua_touserdata(L, index);
  if (!t->more && field != LP_TASK_VALUE) {
    lua_pushnil(L);
    return LUA_TNIL;
  }
  int type = lua_getiuservalue(L, index, 1);
  if (!t->more) return type;
  type = lua_rawgeti(L, -1, field);
  lua_remove(L, -2);
  return type;
}

/* Stack: a table for all fields of the Task object at `index`. Popped. */
static void give_more(lua_State *L, int index) {
  lua_getiuservalue(L, index, 1);
  lua_rawseti(L, -2, LP_TASK_VALUE);
  lua_setiuservalue(L, index, 1);
  ((lp_task *)lua_touserdata(L, index))->more = true;
}

void lp_task_set_field(lua_State *L, int index, int field) {
  lp_task *t = lua_touserdata(L, index);
  index = lua_absindex(L, index);
  if (!t->more && field == LP_TASK_VALUE) {
    lua_setiuservalue(L, index, 1);
    return;
  }
  if (!t->more) {
    lua_createtable(L, LP_TASK_FIELDS, 0);
    give_more(L, index);
  }
  lua_getiuservalue(L, index, 1);
  lua_insert(L, -2);
  lua_rawseti(L, -2, field);
  lua_pop(L, 1);
}

lp_task *lp_task_test(lua_State *L, int index) {
  lp_task *t = lua_touserdata(L, index);
  if (!t || !lua_getmetatable(L, index)) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, CLASS);
  bool is_task = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_task ? t : NULL;
}

lp_task *lp_task_check(lua_State *L, int arg) {
  lp_task *t = lp_task_test(L, arg);
  if (!t) luaL_typeerror(L, arg, CLASS);
  return t;
}

/* ---- making ---- */

/* Pushes a Task object that is anchored, with no coroutine. */
static lp_task *make(lua_State *L) {
  lp_state *st = lp_state_of(L);
  lp_task *t = lua_newuserdatauv(L, sizeof *t, 1);
  memset(t, 0, sizeof *t);
  t->st = st;
  lp_list_init(&t->link);
  lp_list_init(&t->all);
  lp_list_init(&t->watchers);
  lua_rawgetp(L, LUA_REGISTRYINDEX, CLASS);
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->anchors);
  lua_pushvalue(L, -2);
  t->anchor = luaL_ref(L, -2);
  lua_pop(L, 1);
  lp_list_push(&st->tasks, &t->all);
  return t;
}

static lp_task *make_with_coroutine(lua_State *L) {
  lua_State *co = lua_newthread(L);
  lua_sethook(co, NULL, 0, 0); /* a pending one is inherited */
  lp_task *t = make(L);        /* the last thing that may raise: from here on it is alive */
  t->co = co;
  lua_insert(L, -2);
  lp_task_set_field(L, -2, LP_TASK_VALUE);
  lua_pop(L, 1);
  return t;
}

static lp_task *reuse(lp_state *st, lp_task *t) {
  st->idle_count--;
  lp_list_push(&st->tasks, &t->all);
  t->status = LP_TASK_PENDING;
  t->cancelled = t->expired = t->unwinding = t->awaited = false;
  t->shield = 0, t->attempt = 0;
  t->on_end = NULL;
  t->owner = NULL;
  return t;
}

static int finish_body(lua_State *L, int status, lua_KContext context);

/* The bottom of every task's coroutine. Stack: the function and its arguments. */
static int body(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  lua_pushcfunction(L, lp_task_error_handler);
  lua_insert(L, 1);
  if (t->cancelled) {
    lua_settop(L, 1);
    lp_task_error_push_cancelled(L, t);
    return finish_body(L, LUA_ERRRUN, 0);
  }
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 1, 0, finish_body);
  return finish_body(L, status, 0);
}

static int finish_body(lua_State *L, int status, lua_KContext context) {
  (void)context;
  lp_task *t = lp_state_of(L)->current;
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 1;
  if (status == LUA_ERRMEM) lp_raise_push(L, "memory", "not enough memory");
  const char *kind = lp_raise_kind(L, -1);
  bool cancelled = t->cancelled && kind && strcmp(kind, "cancelled") == 0;
  t->status = cancelled ? LP_TASK_CANCELLED : LP_TASK_FAILED;
  return 1;
}

/* Pushes the fields that a task has from the start when `from` spawns it; true: pushed. */
static bool push_inherited(lua_State *L, lp_task *from) {
  if (!from || !from->locals) return false;
  lua_createtable(L, LP_TASK_FIELDS, 0);
  lp_task_object(L, from);
  lp_task_field(L, -1, LP_TASK_LOCALS);
  lua_rawseti(L, -3, LP_TASK_LOCALS);
  lua_pop(L, 1);
  from->owns_locals = false;
  return true;
}

/* Stack: those fields. Popped. */
static void inherit(lua_State *L, lp_task *t) {
  lp_task_object(L, t);
  lua_insert(L, -2);
  give_more(L, lua_absindex(L, -2));
  lua_pop(L, 1);
  t->locals = true;
}

lp_task *lp_task_spawn(lua_State *L, int nargs) {
  lp_state *st = lp_state_of(L);
  bool inherits = push_inherited(L, st->current);
  lp_list *link = lp_list_shift(&st->idle);
  lp_task *t = link ? reuse(st, lp_list_of(link, lp_task, link)) : make_with_coroutine(L);
  if (inherits) inherit(L, t);
  if (!lua_checkstack(t->co, nargs + LUA_MINSTACK)) {
    lua_pushliteral(L, "too many arguments");
    lp_task_abandon(t);
    lua_error(L);
  }
  lua_pushcfunction(t->co, body);
  lua_xmove(L, t->co, nargs + 1);
  t->nargs = nargs + 1;
  bool charged = st->on_cpu && st->current; /* in a worker, to the call that spawns it */
  t->number = charged ? st->current->number : ++st->numbers;
  lp_task_wake(t);
  st->fresh = true;
  return t;
}

lp_task *lp_task_promise(lua_State *L) {
  lp_task *t = make(L);
  t->exposed = true;
  t->status = LP_TASK_RUNNING;
  return t;
}

/* ---- ending ---- */

/* Stack of the main thread: what the task has come to, one value. Popped. */
static void store_value(lp_task *t) {
  lua_State *L = t->st->L;
  lp_task_object(L, t);
  lua_insert(L, -2);
  lp_task_set_field(L, -2, LP_TASK_VALUE);
  lua_pop(L, 1);
}

/* Runs protected on the main thread. Stack: the task (light) and `nresults` values, which go
 * into the Task object. */
static int store(lua_State *L) {
  lp_task *t = lua_touserdata(L, 1);
  int n = t->nresults;
  if (lua_gettop(L) != n + 1) return luaL_error(L, "too many results");
  if (n != 1) {
    lua_createtable(L, n, 0);
    lua_insert(L, 2);
    for (int i = n; i >= 1; i--) lua_rawseti(L, 2, i);
  }
  store_value(t);
  if (t->status == LP_TASK_FAILED && !t->awaited) lp_task_error_witness(L, t);
  return 0;
}

/* Takes the n values on top of `from`, which may be the main thread itself. */
static void store_results(lp_task *t, lua_State *from, int n) {
  lua_State *L = t->st->L;
  t->nresults = n;
  if (n == 0) { /* as most have: it needs no memory */
    lua_pushnil(L);
    store_value(t);
    return;
  }
  if (!lua_checkstack(L, n + 4)) {
    lua_pop(from, n);
    n = 0;
  }
  lua_pushcfunction(L, store);
  lua_pushlightuserdata(L, t);
  if (from == L)
    lua_rotate(L, -(n + 2), 2);
  else
    lua_xmove(from, L, n);
  if (lua_pcall(L, n + 1, 0, 0) == LUA_OK) return;
  t->status = LP_TASK_FAILED;
  t->nresults = 1;
  store_value(t);
}

static void call_watchers(lp_task *t) {
  lp_list asked;
  lp_list_init(&asked);
  lp_list_join(&asked, &t->watchers);
  for (lp_list *link; (link = lp_list_shift(&asked));) {
    lp_watch *w = lp_list_of(link, lp_watch, link);
    w->ended(w, t);
  }
}

static void unanchor(lp_task *t) {
  lua_State *L = t->st->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->st->anchors);
  luaL_unref(L, -1, t->anchor);
  lua_pop(L, 1);
}

void lp_task_abandon(lp_task *t) {
  lp_list_remove(&t->link);
  lp_list_remove(&t->all);
  t->co = NULL;
  t->status = LP_TASK_CANCELLED;
  unanchor(t);
}

static void forget_more(lp_task *t) {
  lua_State *L = t->st->L;
  lp_task_object(L, t);
  lp_task_field(L, -1, LP_TASK_VALUE);
  lua_setiuservalue(L, -2, 1);
  lua_pop(L, 1);
  t->more = t->locals = t->owns_locals = false;
}

/* The results are on top of the coroutine, which may be used again when no script knows of it.
 */
static void put_away(lp_task *t) {
  lp_state *st = t->st;
  lp_list_remove(&t->all);
  if (!t->exposed && lua_status(t->co) == LUA_OK && st->idle_count < MOST_IDLE) {
    lua_settop(t->co, 0);
    if (t->more) forget_more(t);
    lua_sethook(t->co, NULL, 0, 0); /* of debug.sethook */
    lp_list_unshift(&st->idle, &t->link);
    st->idle_count++;
    return;
  }
  t->co = NULL;
  unanchor(t);
}

static void end(lp_task *t, int nres) {
  if (t->status == LP_TASK_RUNNING) t->status = LP_TASK_DONE;
  lp_op *op = t->op;
  t->op = NULL;
  if (op) lp_op_release(op);
  bool failed = t->status == LP_TASK_FAILED && !t->awaited;
  if (failed && !t->on_end) t->exposed = true; /* its error is kept, to be reported */
  if (t->on_end) t->on_end(t, t->co, nres);
  if (t->exposed) store_results(t, t->co, nres);
  call_watchers(t);
  put_away(t);
}

bool lp_task_settle(lua_State *L, lp_task *p, bool ok, int n) {
  if (lp_task_ended(p) || p->co) {
    lua_pop(L, n);
    return false;
  }
  p->status = ok ? LP_TASK_DONE : p->cancelled ? LP_TASK_CANCELLED : LP_TASK_FAILED;
  store_results(p, L, n);
  lp_list_remove(&p->all);
  call_watchers(p);
  unanchor(p);
  return true;
}

/* ---- running ---- */

void lp_task_wake(lp_task *t) {
  lp_list_push(&t->st->ready, &t->link);
  lp_loop_spin(t->st);
}

/* Closes what the coroutine has resumed, then itself. */
static void close_levels(lua_State *co) {
  lua_State *inner = lp_coroutine_resumed(co);
  if (inner) close_levels(inner);
  lp_coroutine_mark(co, false);
  lua_resetthread(co);
  lua_settop(co, 0); /* what its handlers raised */
}

/* A task that was suspended by a slice is closed instead of being resumed. Its <close> handlers
 * run as the task; they cannot wait. */
static void close_expired(lp_task *t) {
  lp_state *st = t->st;
  lua_State *L = st->L;
  lua_pushcfunction(L, lp_task_error_expired);
  lua_pushlightuserdata(L, t);
  lua_pushlightuserdata(L, t->inner);
  lua_pcall(L, 2, 1, 0); /* the error, whichever */
  st->current = t;
  close_levels(t->co);
  st->current = NULL;
  st->running = NULL; /* handlers may have resumed coroutines */
  lua_xmove(L, t->co, 1);
  lp_list_remove(&t->link);
  t->status = LP_TASK_FAILED;
  end(t, 1);
}

void lp_task_expire(lp_task *t) {
  if (lp_task_ended(t)) return;
  t->expired = true;
  lp_task_stop(t);
  if (t->preempted) close_expired(t);
}

/* Tasks that scripts have just spawned may be as greedy: who is woken comes before them. */
static void defer_unstarted(lp_state *st) {
  if (!st->fresh) return;
  st->fresh = false;
  lp_list_each (link, &st->ready) {
    lp_task *t = lp_list_of(link, lp_task, link);
    if (t->status != LP_TASK_PENDING || !t->exposed) continue;
    lp_list_remove(link);
    lp_list_push(&st->preempted, link);
  }
}

static void preempt(lp_task *t) {
  lp_state *st = t->st;
  st->overdue = true;
  defer_unstarted(st);
  t->preempted = true;
  lp_list_push(&st->preempted, &t->link);
  if (t->expired) close_expired(t);
}

static void suspended(lp_task *t, int nres) {
  lp_state *st = t->st;
  lua_pop(t->co, nres);
  lp_coroutine_mark(t->co, true);
  if (st->yielding == LP_YIELD_SLICE) {
    preempt(t);
  } else if (st->yielding == LP_YIELD_PLAIN) { /* a C library yields out of any coroutine */
    lua_resetthread(t->co);
    lua_settop(t->co, 0);
    lua_pushliteral(t->co, "attempt to yield from outside a coroutine");
    t->status = LP_TASK_FAILED;
    end(t, 1);
  }
}

void lp_task_resume(lp_task *t) {
  lp_state *st = t->st;
  int nargs = t->nargs, nres;
  t->nargs = 0;
  if (t->status == LP_TASK_PENDING) t->status = LP_TASK_RUNNING;
  if (st->on_cpu) *st->on_cpu = t->number;
  lp_coroutine_mark(t->co, false);
  st->resumes++;
  st->current = t;
  st->blocked = NULL;
  st->yielding = LP_YIELD_PLAIN;
  st->running = t->co;
  t->preempted = false;
  int status = lua_resume(t->co, NULL, nargs, &nres);
  st->running = NULL;
  st->current = NULL;
  lp_interrupt_settle(st);
  if (status == LUA_YIELD) {
    suspended(t, nres);
  } else {
    if (status != LUA_OK) { /* an error that body could not catch */
      t->status = LP_TASK_FAILED;
      lua_resetthread(t->co);
    }
    end(t, status == LUA_OK ? nres : 1);
  }
  if (st->on_cpu) *st->on_cpu = 0;
}

/* ---- from outside ---- */

bool lp_task_stop(lp_task *t) {
  if (lp_task_ended(t)) return false;
  t->cancelled = true;
  lp_op *op = t->op;
  if (op && op->task == t && !t->shield && !t->unwinding) lp_op_stop(op, LP_ECANCELLED);
  return true;
}

bool lp_task_cancel(lua_State *L, lp_task *t) {
  if (lp_task_ended(t) || t->cancelled) {
    lua_pop(L, 1);
    return !lp_task_ended(t);
  }
  lp_task_object(L, t);
  lua_insert(L, -2);
  lp_task_set_field(L, -2, LP_TASK_REASON);
  lua_pop(L, 1);
  if (t->co) return lp_task_stop(t);
  t->cancelled = true; /* a promise */
  lp_task_error_push_cancelled(L, t);
  return lp_task_settle(L, t, false, 1);
}

int lp_task_push_outcome(lua_State *L, int index) {
  lp_task *t = lua_touserdata(L, index);
  int n = t->nresults;
  t->awaited = true;
  luaL_checkstack(L, n + 6, "too many results");
  lp_task_field(L, index, LP_TASK_VALUE);
  if (t->status != LP_TASK_DONE) lp_task_error_caught(L, index);
  if (n == 1) return 1;
  int list = lua_gettop(L);
  for (int i = 1; i <= n; i++) lua_rawgeti(L, list, i);
  lua_remove(L, list);
  return n;
}

void lp_task_drop(lp_task *t) {
  lp_op *op = t->op;
  t->op = NULL;
  lp_list_remove(&t->link);
  lp_list_remove(&t->all);
  if (!op) return;
  op->task = NULL;
  lp_op_stop(op, LP_ECANCELLED);
  lp_op_release(op);
}

void lp_task_open(lua_State *L) {
  luaL_newmetatable(L, CLASS);
  lua_rawsetp(L, LUA_REGISTRYINDEX, CLASS);
}
