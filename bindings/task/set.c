/* bindings/task/set.c: a set of tasks whose ends are taken out one at a time, in the order in
 * which they ended or in that in which they were added. What as_completed, groups and task.map
 * stand on. The set holds the Task objects that have not been taken out. Layer: bindings. */
#include "bindings/task/set.h"

#include "bindings/class.h"
#include "bindings/task/task.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/op.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

static const char CLASS[] = "luapool.task.set";

typedef struct set {
  lp_list running; /* unordered: members that have not ended */
  lp_list members; /* ordered: all of them; unordered: those that have ended */
  lua_Integer places;
  lua_Integer running_count, count;
  lua_Integer most; /* what `adder` waits for: fewer running than this */
  bool ordered;
  bool expecting;       /* more will be added: an empty set is not the end */
  lp_op *adder, *taker; /* who waits, or NULL */
} set;

typedef struct member {
  lp_list link; /* in one of the set's lists */
  lp_watch watch;
  set *set;
  lp_task *task;
  lua_Integer place;
} member;

static set *check(lua_State *L) {
  return lpb_class_check(L, CLASS);
}

static member *next_ended(const set *s) {
  if (lp_list_empty(&s->members)) return NULL;
  member *m = lp_list_of(s->members.next, member, link);
  return lp_task_ended(m->task) ? m : NULL;
}

static bool has_room(const set *s) {
  return s->running_count < s->most && s->count < 2 * s->most;
}

static bool has_next(const set *s) {
  return next_ended(s) || (s->count == 0 && !s->expecting);
}

static void wake(set *s) {
  if (s->adder && has_room(s)) lp_op_finish(s->adder, 0);
  if (s->taker && has_next(s)) lp_op_finish(s->taker, 0);
}

static void on_ended(lp_watch *w, lp_task *t) {
  member *m = lp_list_of(w, member, watch);
  set *s = m->set;
  (void)t;
  s->running_count--;
  if (!s->ordered) {
    lp_list_remove(&m->link);
    lp_list_push(&s->members, &m->link);
  }
  wake(s);
}

/* set:add(task) -> place. */
static int set_add(lua_State *L) {
  set *s = check(L);
  lp_task *t = lp_task_check(L, 2);
  lua_getiuservalue(L, 1, 1);
  member *m = lua_newuserdatauv(L, sizeof *m, 1);
  *m = (member){.set = s, .task = t, .place = ++s->places, .watch.ended = on_ended};
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  lua_rawsetp(L, -2, m);
  bool ended = lp_task_ended(t);
  s->count++;
  lp_list_push(s->ordered || ended ? &s->members : &s->running, &m->link);
  if (!ended) {
    s->running_count++;
    lp_watch_add(&m->watch, &t->watchers);
  }
  wake(s);
  lua_pushinteger(L, m->place);
  return 1;
}

/* set:expect(bool). Whether more tasks will be added: then an empty set lets who takes wait. */
static int set_expect(lua_State *L) {
  set *s = check(L);
  s->expecting = lua_toboolean(L, 2);
  wake(s);
  return 0;
}

/* ---- waiting at either end ---- */

typedef struct end_op {
  lp_op op;
  set *set; /* alive: it is an argument of the waiting function */
} end_op;

static void adder_close(lp_op *op) {
  set *s = ((end_op *)op)->set;
  if (s && s->adder == op) s->adder = NULL;
}

static void taker_close(lp_op *op) {
  set *s = ((end_op *)op)->set;
  if (s && s->taker == op) s->taker = NULL;
}

/* Stack: the set. */
static int take(lua_State *L, set *s) {
  member *m = next_ended(s);
  if (!m) return 0;
  lp_list_remove(&m->link);
  s->count--;
  lua_getiuservalue(L, 1, 1);
  lua_rawgetp(L, -1, m);
  lua_getiuservalue(L, -1, 1);
  lua_pushinteger(L, m->place);
  lua_pushnil(L);
  lua_rawsetp(L, -5, m);
  wake(s);
  return 2;
}

static int taker_results(lua_State *L, lp_op *op) {
  if (op->status < 0) return lp_op_raise(L, op);
  return take(L, ((end_op *)op)->set);
}

static const lp_op_class adder_class = {.name = "place in a map", .close = adder_close};
static const lp_op_class taker_class = {
    .name = "one of several tasks", .results = taker_results, .close = taker_close};

/* set:next([timeout]) -> a task that has ended, its place; nothing when the set is empty and
 * none is expected. Waits. One task at a time. */
static int set_next(lua_State *L) {
  set *s = check(L);
  double timeout = lp_usage_opt_seconds(L, 2, "set:next");
  if (s->taker)
    return lp_usage_raise(L, "a map, or task.as_completed",
                          "another task takes out of it already");
  end_op *e = lp_op_new(L, &taker_class, sizeof *e);
  e->set = s;
  s->taker = &e->op;
  if (has_next(s)) lp_op_finish(&e->op, 0);
  return lp_op_await(L, &e->op, timeout);
}

/* set:room(most). Waits until fewer than `most` members run, and not twice as many wait to be
 * taken out. One task at a time. */
static int set_room(lua_State *L) {
  set *s = check(L);
  s->most = luaL_checkinteger(L, 2);
  if (has_room(s)) return 0;
  end_op *e = lp_op_new(L, &adder_class, sizeof *e);
  e->set = s;
  s->adder = &e->op;
  return lp_op_await(L, &e->op, -1);
}

/* set:tasks() -> a list of the members that have not ended. */
static int set_tasks(lua_State *L) {
  set *s = check(L);
  lua_Integer n = 0;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  lua_newtable(L);
  lp_list_each (link, s->ordered ? &s->members : &s->running) {
    member *m = lp_list_of(link, member, link);
    if (lp_task_ended(m->task)) continue;
    lua_rawgetp(L, 2, m);
    lua_getiuservalue(L, -1, 1);
    lua_rawseti(L, 3, ++n);
    lua_pop(L, 1);
  }
  return 1;
}

static void forget(lp_list *members) {
  for (lp_list *link; (link = lp_list_shift(members));)
    lp_watch_remove(&lp_list_of(link, member, link)->watch);
}

static int set_gc(lua_State *L) {
  set *s = check(L);
  if (s->adder) ((end_op *)s->adder)->set = NULL; /* the state is being closed */
  if (s->taker) ((end_op *)s->taker)->set = NULL;
  forget(&s->running);
  forget(&s->members);
  return 0;
}

/* core.set(ordered) -> set. */
static int task_set(lua_State *L) {
  bool ordered = lua_toboolean(L, 1);
  set *s = lua_newuserdatauv(L, sizeof *s, 1);
  *s = (set){.ordered = ordered};
  lp_list_init(&s->running);
  lp_list_init(&s->members);
  luaL_setmetatable(L, CLASS);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

const luaL_Reg lpb_task_set_functions[] = {{"set", task_set}, {NULL, NULL}};

void lpb_task_set_open(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"add", set_add},     {"expect", set_expect}, {"next", set_next}, {"room", set_room},
      {"tasks", set_tasks}, {"__gc", set_gc},       {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
