/* loop/dump.c: all tasks as text. A stack is that of the innermost coroutine in which the task
 * was suspended, then of those that resumed it. Layer: loop. Process: main, worker. */
#include "runtime/loop/dump.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/loop/coroutine.h"
#include "runtime/loop/op.h"
#include "runtime/loop/scripts.h"
#include "runtime/loop/task.h"

/* A dump shows so many tasks: nobody would read more. */
enum { MOST = 1000 };

static bool waits(lp_task *t) {
  lp_op *op = lp_task_op(t);
  return op && op->waiting;
}

/* True for what is no task of a script: promises, the task that asks for the dump, and those
 * that wait for the program itself. */
static bool hidden(lp_task *t) {
  if (!t->co || t == t->st->current) return true;
  return waits(t) && lp_task_op(t)->class->internal;
}

/* The number that is shown: of a call of a pool the upper half, which counts the calls. */
static unsigned long long number_of(const lp_task *t) {
  return t->number >> 32 ? t->number >> 32 : t->number;
}

/* Each add_ function pushes a piece of text and moves it into the buffer, whose stack the
 * caller keeps in order. */
static void add_name(lua_State *L, luaL_Buffer *b, lp_task *t) {
  char number[32];
  snprintf(number, sizeof number, "task %llu ", number_of(t));
  luaL_addstring(b, number);
  lp_task_object(L, t);
  const char *name = lp_task_field(L, -1, LP_TASK_NAME) ? lua_tostring(L, -1) : NULL;
  lua_pushfstring(L, name ? "'%s' " : "", name);
  lua_replace(L, -3);
  lua_pop(L, 1);
  luaL_addvalue(b);
}

static void add_wait(luaL_Buffer *b, lp_task *t) {
  char which[64] = "", text[160];
  const lp_op *op = lp_task_op(t);
  double seconds = ((uint32_t)uv_now(t->st->loop) - t->since) / 1e3;
  if (op->class->which) op->class->which(op, which, sizeof which);
  snprintf(text, sizeof text, "waits for %s%s%s for %.3f s", op->class->name, *which ? " " : "",
           which, seconds);
  luaL_addstring(b, text);
}

static void add_state(luaL_Buffer *b, lp_task *t) {
  if (t->status == LP_TASK_PENDING)
    luaL_addstring(b, "has not started");
  else if (t->preempted)
    luaL_addstring(b, "has used up its slice");
  else if (waits(t))
    add_wait(b, t);
  else
    luaL_addstring(b, "is ready to run");
  luaL_addstring(b, t->cancelled ? ", is cancelled\n" : "\n");
}

/* Adds a traceback without its heading. */
static void add_level(lua_State *L, luaL_Buffer *b, lua_State *co) {
  luaL_traceback(L, co, NULL, 0);
  const char *lines = strchr(lua_tostring(L, -1), '\n');
  lua_pushfstring(L, lines ? "%s\n" : "", lines ? lines + 1 : NULL);
  lua_remove(L, -2);
  luaL_addvalue(b);
}

static void add_stack(lua_State *L, luaL_Buffer *b, lua_State *co) {
  lua_State *inner = lp_coroutine_resumed(co);
  if (inner) {
    add_stack(L, b, inner);
    luaL_addstring(b, "\tin a coroutine, resumed by\n");
  }
  add_level(L, b, co);
}

static void add_task(lua_State *L, luaL_Buffer *b, lp_task *t) {
  add_name(L, b, t);
  add_state(b, t);
  if (t->status != LP_TASK_PENDING) add_stack(L, b, t->co);
}

static void add_rest(luaL_Buffer *b, unsigned left_out) {
  char text[64];
  snprintf(text, sizeof text, "and %u more tasks\n", left_out);
  if (left_out) luaL_addstring(b, text);
}

typedef struct listing {
  lp_task *tasks[MOST];
  unsigned n, left_out;
} listing;

static int by_number(const void *a, const void *b) {
  uint64_t x = (*(lp_task *const *)a)->number, y = (*(lp_task *const *)b)->number;
  return (x > y) - (x < y);
}

/* Pushes a listing of up to MOST tasks that are shown, the oldest first, and a table that keeps
 * them: writing the text allocates, and so may run finalizers that end some of them. */
static listing *push_listing(lua_State *L, lp_state *st) {
  listing *l = lua_newuserdatauv(L, sizeof *l, 0);
  l->n = l->left_out = 0;
  lua_createtable(L, MOST, 0);
  lp_task *t;
  for (int place = 0; (t = lp_task_next(st, &place));) {
    if (hidden(t)) continue;
    if (l->n == MOST) {
      l->left_out++;
      continue;
    }
    l->tasks[l->n++] = t;
    lp_task_object(L, t);
    lua_rawseti(L, -2, l->n);
  }
  qsort(l->tasks, l->n, sizeof *l->tasks, by_number);
  return l;
}

/* The function that a task was spawned with: it stands above the bottom of its coroutine. */
static bool find_function(lua_State *co, bool pending, lua_Debug *ar) {
  enum { BOTTOM = 1, FUNCTION = 3 }; /* the stack of one that has not begun */
  int depth = 0;
  if (pending) {
    lua_pushvalue(co, FUNCTION);
    return lua_getinfo(co, ">S", ar);
  }
  while (lua_getstack(co, depth, ar)) depth++;
  return depth > BOTTOM && lua_getstack(co, depth - BOTTOM - 1, ar) && lua_getinfo(co, "S", ar);
}

static void push_alive(lua_State *L, lp_task *t) {
  lua_Debug ar;
  lua_createtable(L, 0, 4);
  lp_task_object(L, t);
  lp_task_field(L, -1, LP_TASK_NAME);
  lua_setfield(L, -3, "name");
  lp_task_field(L, -1, LP_TASK_ARGS);
  lua_setfield(L, -3, "future");
  lua_pop(L, 1);
  if (!find_function(t->co, t->status == LP_TASK_PENDING, &ar) || *ar.what == 'C') return;
  lua_pushfstring(L, "%s:%d", ar.short_src, ar.linedefined);
  lua_setfield(L, -2, "place");
  lua_pushboolean(L, lp_script_flags(&ar) & LP_SCRIPT_OURS);
  lua_setfield(L, -2, "ours");
}

void lp_dump_push_alive(lua_State *L) {
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const listing *l = push_listing(L, lp_state_of(L));
  int at = lua_gettop(L) - 1;
  lua_newtable(L);
  for (unsigned i = 0; i < l->n; i++) {
    if (hidden(l->tasks[i]) || l->tasks[i]->cancelled) continue;
    push_alive(L, l->tasks[i]);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  lua_replace(L, at);
  lua_settop(L, at);
}

void lp_dump_push(lua_State *L) {
  luaL_Buffer b;
  luaL_checkstack(L, LUA_MINSTACK, NULL);
  const listing *l = push_listing(L, lp_state_of(L));
  int at = lua_gettop(L) - 1;
  luaL_buffinit(L, &b);
  for (unsigned i = 0; i < l->n; i++)
    if (!hidden(l->tasks[i])) add_task(L, &b, l->tasks[i]);
  if (l->n == 0) luaL_addstring(&b, "no tasks\n");
  add_rest(&b, l->left_out);
  luaL_pushresult(&b);
  lua_replace(L, at);
  lua_settop(L, at);
}
