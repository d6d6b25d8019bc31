/* bindings/task/set.c: a set of tasks, whose members are taken out one at a time when they have
 * ended, in the order in which they ended or in that in which they were added.
 * task.as_completed, groups and task.map stand on it. The set keeps the Task objects alive
 * until they are taken out. Layer: bindings. */
#include "bindings/task/set.h"

#include "bindings/class.h"
#include "bindings/line.h"
#include "bindings/task/task.h"
#include "runtime/base/error.h"
#include "runtime/loop/object.h"
#include "runtime/loop/op.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/loop/usage.h"

static const char CLASS[] = "luapool.task.set";

typedef struct set {
  lpb_line line;
  uint64_t most; /* what set:room waits for: fewer running than this */
} set;

typedef struct member {
  lp_list link; /* in the set's line */
  lp_watch watch;
  set *set;
  lp_task *task;
  uint64_t index;
} member;

static set *check(lua_State *L) {
  return lpb_class_check(L, CLASS);
}

static bool has_ended(const lp_list *link) {
  return lp_task_ended(lp_list_of(link, member, link)->task);
}

/* Fewer than `most` members run, and fewer than twice as many have not been taken out. */
static bool has_room(const lpb_line *line) {
  uint64_t most = lp_list_of(line, set, line)->most;
  return line->running_count < most && line->count / 2 < most;
}

static void on_ended(lp_watch *w, lp_task *t) {
  member *m = lp_list_of(w, member, watch);
  (void)t;
  lpb_line_end(&m->set->line, &m->link);
}

/* set:add(task) -> index. */
static int set_add(lua_State *L) {
  set *s = check(L);
  lp_task *t = lp_task_check(L, 2);
  lua_getiuservalue(L, 1, 1);
  member *m = lp_object_new(L, sizeof *m, 1);
  *m = (member){.set = s, .task = t, .watch.ended = on_ended};
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -2, 1);
  lua_rawsetp(L, -2, m);
  m->index = lpb_line_put(&s->line, &m->link);
  if (!lp_task_ended(t)) lp_watch_add(&m->watch, &t->watchers);
  lpb_line_wake(&s->line);
  lua_pushinteger(L, (lua_Integer)m->index);
  return 1;
}

/* set:expect(bool). Says whether more tasks will be added; set:next waits then, also when the
 * set is empty. */
static int set_expect(lua_State *L) {
  set *s = check(L);
  s->line.open = lua_toboolean(L, 2);
  lpb_line_wake(&s->line);
  return 0;
}

/* Stack: the set. Only task.as_completed gives a limit. */
static int taker_results(lua_State *L, lp_op *op) {
  if (op->status == LP_ETIMEOUT) return lp_raise(L, "timeout", "task.as_completed: timed out");
  if (op->status < 0) return lp_op_raise(L, op);
  lpb_line *line = ((lpb_line_op *)op)->line;
  lp_list *link = lpb_line_next(line);
  if (!link) return 0;
  member *m = lp_list_of(link, member, link);
  lpb_line_take(line, link);
  lua_getiuservalue(L, 1, 1);
  lua_rawgetp(L, -1, m);
  lua_getiuservalue(L, -1, 1);
  lua_pushinteger(L, (lua_Integer)m->index);
  lua_pushnil(L);
  lua_rawsetp(L, -5, m);
  lpb_line_wake(line);
  return 2;
}

static const lp_op_class adder_class = {.name = "place in a map", .close = lpb_line_leave};
static const lp_op_class taker_class = {
    .name = "one of several tasks", .results = taker_results, .close = lpb_line_leave};

/* set:next([timeout]) -> a task that has ended, its index; nothing when the set is empty and
 * none is expected. Waits. One task at a time. */
static int set_next(lua_State *L) {
  set *s = check(L);
  double timeout = lp_usage_opt_seconds(L, 2, "set:next");
  return lpb_line_await_next(L, &s->line, &taker_class, timeout);
}

/* set:room(most). Waits until fewer than `most` members run, and not twice as many wait to be
 * taken out. One task at a time. */
static int set_room(lua_State *L) {
  set *s = check(L);
  lua_Integer most = luaL_checkinteger(L, 2);
  s->most = most > 0 ? (uint64_t)most : 0;
  return has_room(&s->line) ? 0 : lpb_line_await_room(L, &s->line, &adder_class);
}

/* set:tasks() -> a list of the members that have not ended. */
static int set_tasks(lua_State *L) {
  set *s = check(L);
  lua_Integer n = 0;
  lua_settop(L, 1);
  lua_getiuservalue(L, 1, 1);
  lua_newtable(L);
  lp_list_each (link, lpb_line_running(&s->line)) {
    member *m = lp_list_of(link, member, link);
    if (lp_task_ended(m->task)) continue;
    lua_rawgetp(L, 2, m);
    lua_getiuservalue(L, -1, 1);
    lua_rawseti(L, 3, ++n);
    lua_pop(L, 1);
  }
  return 1;
}

static void forget(lp_list *link) {
  lp_watch_remove(&lp_list_of(link, member, link)->watch);
}

static int set_gc(lua_State *L) {
  set *s = check(L);
  lpb_line_detach(&s->line);
  lpb_line_clear(&s->line, forget);
  return 0;
}

/* core.set(ordered) -> set. */
static int task_set(lua_State *L) {
  static const lpb_line_class class = {has_ended, has_room};
  bool ordered = lua_toboolean(L, 1);
  set *s = lp_object_new(L, sizeof *s, 1);
  lpb_line_init(&s->line, &class, ordered, false);
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
