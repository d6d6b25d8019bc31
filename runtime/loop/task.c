/* loop/task.c: the life of a task: how it is resumed, stopped and ended, and who owns its
 * coroutine and its results. Layer: loop. */
#include "runtime/loop/task.h"

#include <lauxlib.h>

#include "runtime/base/error.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/op.h"

static const char CLASS[] = "luapool.Task"; /* its address is the metatable's registry key */

void lp_task_own(lp_task *t, lp_task_end on_end, void *owner) {
  ((lp_task_owned *)t)->on_end = on_end;
  ((lp_task_owned *)t)->owner = owner;
}

void *lp_task_owner(lp_task *t, lp_task_end on_end) {
  return t->owned && ((lp_task_owned *)t)->on_end == on_end ? ((lp_task_owned *)t)->owner
                                                            : NULL;
}

/* ---- the object ---- */

void lp_task_object(lua_State *L, lp_task *t) {
  lp_anchor_push(L, t->anchor);
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

void lp_task_give_more(lua_State *L, int index) {
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
    lua_createtable(L, LP_TASK_FIELDS, 0); /* finalizers may run, and do the same */
    if (t->more)
      lua_pop(L, 1);
    else
      lp_task_give_more(L, index);
  }
  lua_getiuservalue(L, index, 1);
  lua_insert(L, -2);
  lua_rawseti(L, -2, field);
  lua_pop(L, 1);
}

void lp_task_give_class(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, CLASS);
  lua_setmetatable(L, -2);
}

lp_task *lp_task_test(lua_State *L, int index) {
  lp_task *t = lua_touserdata(L, index);
  if (!t || !lua_getmetatable(L, index)) return NULL;
  bool is_task = lua_topointer(L, -1) == lp_state_of(L)->task_class;
  lua_pop(L, 1);
  return is_task ? t : NULL;
}

lp_task *lp_task_check(lua_State *L, int arg) {
  lp_task *t = lp_task_test(L, arg);
  if (!t) luaL_typeerror(L, arg, CLASS);
  return t;
}

/* ---- the tasks that live ---- */

void lp_task_unanchor(lp_task *t) {
  t->st->anchored--;
  lp_anchor_remove(t->st->L, &t->st->anchors, t->anchor);
}

lp_task *lp_task_next(lp_state *st, int *place) {
  lp_task *t;
  do t = lp_anchor_next(st->L, &st->anchors, place);
  while (t && lp_task_ended(t)); /* an idle one */
  return t;
}

/* ---- ending ---- */

/* Pops a value from the main thread's stack: what has come of the task. */
static void store_value(lp_task *t) {
  lua_State *L = t->st->L;
  lp_task_object(L, t);
  lua_insert(L, -2);
  lp_task_set_field(L, -2, LP_TASK_VALUE);
  lua_pop(L, 1);
}

/* Called protected on the main thread. Stack: the task (light userdata) and `nresults` values,
 * which it puts into the Task object. */
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

/* Pops the n values on top of `from`, which may be the main thread itself, and stores them in
 * the Task object. */
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

static void forget_more(lp_task *t) {
  lua_State *L = t->st->L;
  lp_task_object(L, t);
  lp_task_field(L, -1, LP_TASK_VALUE);
  lua_setiuservalue(L, -2, 1);
  lua_pop(L, 1);
  t->more = t->locals = t->owns_locals = false;
}

/* Keeps a coroutine to be used again. The table of spares has room, so this never raises. */
static void keep_coroutine(lp_state *st, lua_State *co) {
  lua_rawgeti(st->L, LUA_REGISTRYINDEX, st->spares);
  lua_pushthread(co);
  lua_xmove(co, st->L, 1);
  lua_rawseti(st->L, -2, ++st->spare_count);
  lua_pop(st->L, 1);
}

/* Lets go of an ended task, whose results are on top of its coroutine. The coroutine is kept to
 * be used again when no script knows of it, and so is the task. */
static void put_away(lp_task *t) {
  lp_state *st = t->st;
  lua_State *co = t->co;
  bool clean = lua_status(co) == LUA_OK && !t->entered;
  if (clean) {
    lua_settop(co, 0);
    lua_sethook(co, NULL, 0, 0); /* of debug.sethook */
  }
  if (clean && !t->exposed && st->idle_count < LP_TASK_MOST_IDLE) {
    if (t->more) forget_more(t);
    lp_list_unshift(&st->idle, &t->link);
    st->idle_count++;
    return;
  }
  if (clean && st->spare_count < LP_TASK_MOST_IDLE) keep_coroutine(st, co);
  t->co = NULL;
  lp_task_unanchor(t);
}

/* The results take the place of the coroutine in the Task object, so the main thread's stack
 * holds the coroutine until it is put away. */
void lp_task_finish(lp_task *t, int nres) {
  lua_State *L = t->st->L;
  lp_task_object(L, t);
  lp_task_field(L, -1, LP_TASK_VALUE);
  if (t->status == LP_TASK_RUNNING) t->status = LP_TASK_DONE;
  lp_op *op = lp_task_op(t);
  t->has_op = LP_TASK_NO_OP;
  if (op) lp_op_release(op);
  lp_task_end on_end = t->owned ? ((lp_task_owned *)t)->on_end : NULL;
  bool failed = t->status == LP_TASK_FAILED && !t->awaited;
  if (failed && !on_end) t->exposed = true; /* its error is kept, to be reported */
  if (on_end) on_end(t, t->co, nres);
  if (t->exposed) store_results(t, t->co, nres);
  lp_watch_call(&t->watchers, t);
  lp_environment_release(t->st, t->environment);
  put_away(t);
  lua_pop(L, 2);
}

bool lp_task_settle(lua_State *L, lp_task *p, bool ok, int n) {
  if (lp_task_ended(p) || p->co) {
    lua_pop(L, n);
    return false;
  }
  p->status = ok ? LP_TASK_DONE : p->cancelled ? LP_TASK_CANCELLED : LP_TASK_FAILED;
  store_results(p, L, n);
  lp_watch_call(&p->watchers, p);
  lp_task_unanchor(p);
  return true;
}

/* ---- running ---- */

void lp_task_wake(lp_task *t) {
  lp_list_push(&t->st->ready, &t->link);
  lp_loop_spin(t->st);
}

/* Moves tasks that have not started behind those that are woken: a script has spawned them
 * while it used up a slice, and they may be as greedy as it. */
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
  bool ended = st->interrupt.ending && lp_interrupt_over(st);
  if (ended || t->expired || t->broke || t->overruns == LP_TASK_MOST_OVERRUNS) lp_task_close(t);
}

static void suspended(lp_task *t, int nres) {
  lp_state *st = t->st;
  lua_pop(t->co, nres);
  lp_coroutine_mark(t->co, true);
  if (st->yielding == LP_YIELD_SLICE) {
    preempt(t);
  } else if (st->yielding == LP_YIELD_PLAIN) { /* a C library yields out of any coroutine */
    lp_task_close_reset(t);
    lua_settop(t->co, 0);
    lua_pushliteral(t->co, "attempt to yield from outside a coroutine");
    t->status = LP_TASK_FAILED;
    lp_task_finish(t, 1);
  }
}

void lp_task_resume(lp_task *t) {
  lp_state *st = t->st;
  int nargs = t->status == LP_TASK_PENDING ? lua_gettop(t->co) - 1 : 0, nres;
  t->status = LP_TASK_RUNNING;
  if (st->on_cpu) *st->on_cpu = t->number;
  lp_coroutine_mark(t->co, false);
  st->resumes++;
  st->current = t;
  st->blocked = NULL;
  st->yielding = LP_YIELD_PLAIN;
  st->running = t->co;
  bool told = st->overdue || st->interrupt.ending; /* the tick may have found no task */
  if (told && lp_interrupt_over(st)) lp_interrupt_now(st);
  if (t->preempted)
    lp_interrupt_again(st);
  else
    t->used = 0;
  if (st->interrupt.counting) lp_interrupt_count(st, t->co);
  t->preempted = false;
  unsigned outer = lp_environment_enter(st, t->environment);
  int status = lua_resume(t->co, st->depth.from, nargs, &nres);
  while (status == LUA_YIELD && st->yielding == LP_YIELD_AGAIN) {
    st->yielding = LP_YIELD_PLAIN;
    lua_pop(t->co, nres);
    status = lua_resume(t->co, st->depth.from, 0, &nres);
  }
  lp_environment_enter(st, outer);
  st->running = NULL;
  st->current = NULL;
  if (lp_interrupt_pending(&st->interrupt)) lp_interrupt_settle(st);
  if (status == LUA_YIELD) {
    suspended(t, nres);
  } else {
    if (status != LUA_OK) { /* an error that body could not catch */
      t->status = LP_TASK_FAILED;
      lp_task_close_reset(t);
    }
    lp_task_finish(t, status == LUA_OK ? nres : 1);
  }
  if (st->on_cpu) *st->on_cpu = 0;
}

/* ---- from outside ---- */

bool lp_task_stop(lp_task *t) {
  if (lp_task_ended(t)) return false;
  t->cancelled = true;
  t->revocable = false;
  lp_op *op = lp_task_op(t);
  if (op && op->waiting && !t->shield && !t->unwinding) lp_op_stop(op, LP_ECANCELLED);
  return true;
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
  lp_op *op = lp_task_op(t);
  if (op && op->waiting)
    lp_timer_stop(&t->st->timers, &t->deadline);
  else
    lp_list_remove(&t->link);
  lp_list_init(&t->link); /* it may be called twice */
  t->has_op = LP_TASK_NO_OP;
  if (!op) return;
  op->waiting = false;
  lp_op_stop(op, LP_ECANCELLED);
  lp_op_release(op);
}

void lp_task_open(lua_State *L) {
  lp_state *st = lp_state_of(L);
  luaL_newmetatable(L, CLASS);
  st->task_class = lua_topointer(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, CLASS);
  lp_anchor_open(L, &st->anchors);
  lua_createtable(L, LP_TASK_MOST_IDLE, 0);
  st->spares = luaL_ref(L, LUA_REGISTRYINDEX);
}
