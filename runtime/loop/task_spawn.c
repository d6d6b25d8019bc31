/* loop/task_spawn.c: makes tasks, of what ended ones have left if it can, and begins them.
 *
 * A task's function runs below a pcall of ours, so that <close> variables may wait while an
 * error unwinds it, and so that the traceback is taken where the error was raised. Layer: loop.
 */
#include <lauxlib.h>
#include <string.h>

#include "runtime/loop/budget.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"

/* Pushes a Task object of `size` bytes that is anchored, with no coroutine. */
static lp_task *make(lua_State *L, size_t size) {
  lp_task *t = lua_newuserdatauv(L, size, 1);
  memset(t, 0, size);
  t->st = lp_state_of(L);
  lp_list_init(&t->link);
  lp_task_give_class(L);
  t->anchor = lp_anchor_add(L, &t->st->anchors);
  t->st->anchored++;
  return t;
}

/* Pushes an idle coroutine, or a new one. */
static lua_State *push_coroutine(lua_State *L) {
  lp_state *st = lp_state_of(L);
  if (!st->spare_count) {
    lua_State *co = lua_newthread(L);
    lua_sethook(co, NULL, 0, 0); /* a pending one is inherited */
    return co;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, st->spares);
  lua_rawgeti(L, -1, st->spare_count);
  lua_pushnil(L);
  lua_rawseti(L, -3, st->spare_count--);
  lua_replace(L, -2);
  return lua_tothread(L, -1);
}

/* Pushes its coroutine and a Task object of `size` bytes. */
static lp_task *make_with_coroutine(lua_State *L, size_t size) {
  lua_State *co = push_coroutine(L);
  lp_task *t = make(L, size); /* the last thing that may raise: from here on it is alive */
  t->co = co;
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
  return t;
}

static lp_task *reuse(lp_state *st, lp_task *t) {
  st->idle_count--;
  t->status = LP_TASK_PENDING;
  t->cancelled = t->revocable = t->told = t->expired = t->unwinding = t->awaited = t->broke =
      false;
  t->shield = t->attempt = 0;
  t->overruns = 0;
  lp_task_own(t, NULL, NULL);
  return t;
}

static lp_task *make_owned(lua_State *L) {
  lp_state *st = lp_state_of(L);
  lp_list *link = lp_list_shift(&st->idle);
  if (link) return reuse(st, lp_list_of(link, lp_task, link));
  lp_task *t = make_with_coroutine(L, sizeof(lp_task_owned));
  t->owned = true;
  lua_pop(L, 2);
  return t;
}

static int finish_body(lua_State *L, int status, lua_KContext context);

/* The bottom of every task's coroutine. Stack: the message handler, the function and its
 * arguments. */
static int body(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
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

/* Pushes the fields that a task has from the start when `from` spawns it and returns true;
 * returns false when there are none. */
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

/* Pops those fields and gives them to the task. */
static void inherit(lua_State *L, lp_task *t) {
  lp_task_object(L, t);
  lua_insert(L, -2);
  lp_task_give_more(L, lua_absindex(L, -2));
  lua_pop(L, 1);
  t->locals = true;
}

/* Drops a task that has not been started. */
static void abandon(lp_task *t) {
  lp_list_remove(&t->link);
  t->co = NULL;
  t->status = LP_TASK_CANCELLED;
  lp_task_unanchor(t);
}

/* Pops the function and its arguments, and makes the task ready to run them. */
static void start(lua_State *L, lp_task *t, int nargs) {
  lp_state *st = t->st;
  if (!lua_checkstack(t->co, nargs + LUA_MINSTACK)) {
    lua_pushliteral(L, "too many arguments");
    abandon(t);
    lua_error(L);
  }
  lua_pushcfunction(t->co, body);
  lua_pushcfunction(t->co, lp_task_error_handler);
  lua_xmove(L, t->co, nargs + 1);
  bool charged = st->on_cpu && st->current; /* in a worker, to the call that spawns it */
  t->number = charged ? st->current->number : ++st->numbers;
  t->environment = st->environment;
  lp_environment_hold(st, t->environment);
  lp_task_wake(t);
  st->fresh = true;
}

lp_task *lp_task_spawn(lua_State *L, int nargs) {
  lp_budget_check_tasks(L);
  bool inherits = push_inherited(L, lp_state_of(L)->current);
  lp_task *t = make_owned(L);
  if (inherits) inherit(L, t);
  start(L, t, nargs);
  return t;
}

lp_task *lp_task_spawn_exposed(lua_State *L, int nargs) {
  lp_budget_check_tasks(L);
  bool inherits = push_inherited(L, lp_state_of(L)->current);
  int fn = lua_gettop(L) - nargs - inherits;
  luaL_checkstack(L, nargs + LUA_MINSTACK, "too many arguments");
  lp_task *t = make_with_coroutine(L, sizeof *t);
  t->exposed = true;
  if (inherits) {
    lua_pushvalue(L, -3);
    inherit(L, t);
  }
  for (int i = 0; i <= nargs; i++) lua_pushvalue(L, fn + i);
  start(L, t, nargs);
  return t;
}

lp_task *lp_task_spawn_promise(lua_State *L) {
  lp_budget_check_tasks(L);
  lp_task *t = make(L, sizeof *t);
  t->exposed = true;
  t->status = LP_TASK_RUNNING;
  return t;
}
