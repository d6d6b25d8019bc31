/* loop/coroutine.c: the coroutine library, made so that waits pass through it.
 *
 * The invariant: when a coroutine has yielded with st->yielding other than LP_YIELD_PLAIN,
 * every level above it yields too, up to the scheduler. In all else the functions behave as the
 * standard ones. Layer: loop. */
#include "runtime/loop/coroutine.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/loop/interrupt.h"
#include "runtime/loop/pcall.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"

void lp_coroutine_mark(lua_State *co, bool suspended) {
  uintptr_t *word = lua_getextraspace(co);
  *word = (*word & ~(uintptr_t)1) | suspended;
}

static bool marked(lua_State *co) {
  return *(uintptr_t *)lua_getextraspace(co) & 1;
}

/* A coroutine that has yielded to its resumer may be inside calls of task.shield. Two bits of
 * its extra space count them; more than so many count as that. */
enum { MOST_SHIELDS = 3 };

static int shields_of(lua_State *co) {
  return (int)(*(uintptr_t *)lua_getextraspace(co) >> 1 & MOST_SHIELDS);
}

static void set_shields(lua_State *co, int n) {
  uintptr_t *word = lua_getextraspace(co), kept = n < MOST_SHIELDS ? n : MOST_SHIELDS;
  *word = (*word & ~((uintptr_t)MOST_SHIELDS << 1)) | kept << 1;
}

bool lp_coroutine_suspendable(lua_State *L) {
  const lp_state *st = lp_state_of(L);
  return L == st->running && !st->blocked && lua_isyieldable(L);
}

static int return_top(lua_State *L, int status, lua_KContext context) {
  (void)L, (void)status, (void)context;
  return 1;
}

int lp_coroutine_again(lua_State *L) {
  lp_state_of(L)->yielding = LP_YIELD_AGAIN;
  return lua_yieldk(L, 0, 0, return_top);
}

/* True for the root coroutine of the current task, for one that runs under a guard and for the
 * main thread of the state: none has a resumer that a script has made, to which it could yield.
 */
static bool is_root(lua_State *L, lua_State *co) {
  lp_state *st = lp_state_of(L);
  return co == st->L || co == st->guard_co || (st->current && st->current->co == co);
}

static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "thread");
  return co;
}

enum { ERROR = -1 }; /* from resume and below: the error is on top of L's stack */

static int move_results(lua_State *L, lua_State *co, int status, int count) {
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return ERROR;
  }
  if (!lua_checkstack(L, count + 1)) {
    lua_pop(co, count);
    lua_pushliteral(L, "too many results to resume");
    return ERROR;
  }
  lua_xmove(co, L, count);
  return count;
}

/* Resumes `co` from L with `nargs` values on co's stack. When co is suspended by a wait or a
 * slice, L is too, and `k` (with co as its context) goes on later. Returns the number of
 * results, or ERROR. */
static int relay(lua_State *L, lua_State *co, int nargs, lua_KFunction k) {
  lp_state *st = lp_state_of(L);
  lua_State *blocked = st->blocked, *running = st->running;
  int count;
  if (!lua_isyieldable(L) || L != running) st->blocked = L;
  lp_coroutine_mark(co, false);
  st->running = co;
  lp_interrupt_pass(st, L, co); /* of a signal that came just before */
  int status = lua_resume(co, L, nargs, &count);
  st->running = running;
  st->blocked = blocked;
  bool plain = status != LUA_YIELD || st->yielding == LP_YIELD_PLAIN;
  if (plain) {
    lp_interrupt_pass(st, co, L);
    return move_results(L, co, status, count);
  }
  lua_pop(co, count);
  lp_coroutine_mark(co, true);
  return lua_yieldk(L, 0, (lua_KContext)co, k);
}

/* The first step of a resume: the `nargs` arguments are on top of L's stack. */
static int start_relay(lua_State *L, lua_State *co, int nargs, lua_KFunction k) {
  if (marked(co)) {
    lua_pushliteral(L, "cannot resume non-suspended coroutine");
    return ERROR;
  }
  if (!lua_checkstack(co, nargs)) {
    lua_pushliteral(L, "too many arguments to resume");
    return ERROR;
  }
  lua_xmove(L, co, nargs);
  lp_task *t = lp_state_of(L)->current;
  if (t) t->shield += shields_of(co);
  set_shields(co, 0);
  return relay(L, co, nargs, k);
}

/* Puts at `index` of L's stack what belongs to L and not to the coroutines that it resumes: how
 * many shields it is inside of, and whether the task is unwinding. */
static void note_own(lua_State *L, int index) {
  lp_task *t = lp_state_of(L)->current;
  lua_pushinteger(L, t ? t->shield * 2 + t->unwinding : 0);
  lua_insert(L, index);
}

/* `co` has given control back to L. An error that passes through L goes on unwinding. */
static void put_back(lua_State *L, lua_State *co, int index, bool yielded, bool passes) {
  lp_task *t = lp_state_of(L)->current;
  int own = (int)lua_tointeger(L, index);
  if (!t) return;
  if (yielded) set_shields(co, t->shield - own / 2);
  t->shield = own / 2;
  if (!passes) t->unwinding = own & 1;
}

/* L's stack: the coroutine, what note_own has put there, then results or an error. */
static int finish_resume(lua_State *L, int count) {
  lua_State *co = lua_tothread(L, 1);
  put_back(L, co, 2, count != ERROR && lua_status(co) == LUA_YIELD, false);
  lua_pushboolean(L, count != ERROR);
  if (count == ERROR) count = 1;
  lua_insert(L, -(count + 1));
  return count + 1;
}

static int continue_resume(lua_State *L, int status, lua_KContext co) {
  (void)status;
  return finish_resume(L, relay(L, (lua_State *)co, 0, continue_resume));
}

static int coroutine_resume(lua_State *L) {
  lua_State *co = check_coroutine(L);
  int nargs = lua_gettop(L) - 1;
  note_own(L, 2);
  return finish_resume(L, start_relay(L, co, nargs, continue_resume));
}

/* Closes a coroutine; its <close> handlers run below this C call, so they cannot wait. */
static int reset(lua_State *L, lua_State *co) {
  lp_state *st = lp_state_of(L);
  lua_State *blocked = st->blocked, *running = st->running;
  int shield = st->current ? st->current->shield : 0;
  st->blocked = L;
  st->running = co;
  lp_interrupt_pass(st, L, co);
  int status = lua_resetthread(co);
  st->running = running;
  st->blocked = blocked;
  lp_interrupt_pass(st, co, L);
  if (st->current) st->current->shield = shield;
  return status;
}

/* L's stack: what note_own has put there, then results or an error. An error passes through:
 * the dead coroutine is closed, and a message gets the position. */
static int finish_wrap(lua_State *L, lua_State *co, int count) {
  put_back(L, co, 1, count != ERROR && lua_status(co) == LUA_YIELD, count == ERROR);
  if (count != ERROR) return count;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = reset(L, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int continue_wrap(lua_State *L, int status, lua_KContext co) {
  (void)status;
  return finish_wrap(L, (lua_State *)co, relay(L, (lua_State *)co, 0, continue_wrap));
}

static int call_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int nargs = lua_gettop(L);
  note_own(L, 1);
  return finish_wrap(L, co, start_relay(L, co, nargs, continue_wrap));
}

lua_State *lp_coroutine_resumed(lua_State *co) {
  lua_Debug frame;
  if (!lua_getstack(co, 0, &frame) || !lua_checkstack(co, 2)) return NULL;
  lua_getinfo(co, "f", &frame);
  lua_CFunction f = lua_tocfunction(co, -1);
  bool found = f == coroutine_resume ? lua_getlocal(co, &frame, 1) != NULL
                                     : f == call_wrapped && lua_getupvalue(co, -1, 1) != NULL;
  lua_State *inner = found ? lua_tothread(co, -1) : NULL;
  lua_pop(co, 1 + found);
  return inner && marked(inner) ? inner : NULL;
}

static int coroutine_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lp_interrupt_inherit(L, co);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int coroutine_wrap(lua_State *L) {
  coroutine_create(L);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

static int coroutine_yield(lua_State *L) {
  if (is_root(L, L)) return luaL_error(L, "attempt to yield from outside a coroutine");
  return lua_yield(L, lua_gettop(L));
}

static const char *status_of(lua_State *L, lua_State *co) {
  lua_Debug frame;
  if (L == co) return "running";
  if (marked(co)) return "normal";
  if (lua_status(co) == LUA_YIELD) return "suspended";
  if (lua_status(co) != LUA_OK) return "dead";
  if (lua_getstack(co, 0, &frame)) return "normal";
  return lua_gettop(co) == 0 ? "dead" : "suspended";
}

static int coroutine_status(lua_State *L) {
  lua_pushstring(L, status_of(L, check_coroutine(L)));
  return 1;
}

static int coroutine_close(lua_State *L) {
  lua_State *co = check_coroutine(L);
  const char *status = status_of(L, co);
  if (*status != 'd' && *status != 's')
    return luaL_error(L, "cannot close a %s coroutine", status);
  bool ok = reset(L, co) == LUA_OK;
  lua_pushboolean(L, ok);
  if (ok) return 1;
  lua_xmove(co, L, 1);
  return 2;
}

static int coroutine_running(lua_State *L) {
  lp_task *t = lp_state_of(L)->current;
  bool root = is_root(L, L);
  if (root && t) t->entered = true;
  lua_pushthread(L);
  lua_pushboolean(L, root);
  return 2;
}

static int coroutine_isyieldable(lua_State *L) {
  lua_State *co = lua_isnone(L, 1) ? L : check_coroutine(L);
  lua_pushboolean(L, !is_root(L, co) && lua_isyieldable(co));
  return 1;
}

/* True for C functions that a wait passes through: they are never the obstacle. */
static bool lets_pass(lua_State *L, lua_State *co, const lua_Debug *frame, lua_CFunction f) {
  return f == coroutine_resume || f == call_wrapped || f == lp_state_of(L)->shield ||
         lp_pcall_is_frame(co, frame, f);
}

/* True when the table on top has a field whose value is the one at `index`: then the name is
 * pushed. */
static bool push_field_name(lua_State *L, int index) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (!lua_rawequal(L, -1, index) || lua_type(L, -2) != LUA_TSTRING) continue;
    lua_pop(L, 1);
    return true;
  }
  return false;
}

/* Pushes "table.sort" for a function of a loaded module, the shortest such name, else
 * `otherwise`. Stack: the function. */
static void push_function_name(lua_State *L, const char *otherwise) {
  int f = lua_gettop(L), best = f + 1;
  lua_pushnil(L);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(L); lua_next(L, best + 1); lua_settop(L, best + 2)) {
    if (lua_type(L, -2) != LUA_TSTRING || !lua_istable(L, -1) || !push_field_name(L, f))
      continue;
    const char *module = lua_tostring(L, best + 2);
    bool global = strcmp(module, LUA_GNAME) == 0;
    lua_pushfstring(L, "%s%s%s", global ? "" : module, global ? "" : ".", lua_tostring(L, -1));
    bool better = lua_isnil(L, best) || lua_rawlen(L, -1) < lua_rawlen(L, best);
    if (better) lua_copy(L, -1, best);
  }
  lua_settop(L, best);
  if (lua_isnil(L, best)) lua_pushstring(L, otherwise ? otherwise : "?");
}

/* True for the one C function of luapool that can be the obstacle: it closes a coroutine that
 * has died in it. */
static bool closes(lua_State *co, int level, lua_CFunction f) {
  return level == 0 && f == call_wrapped && lua_isyieldable(co);
}

/* Looks for the frame of `co` that cannot be suspended. Pushes on L what it is and returns
 * true, or returns false. */
static bool push_frame(lua_State *L, lua_State *co, int level) {
  lua_Debug frame;
  for (; lua_getstack(co, level, &frame); level++) {
    lua_getinfo(co, "Snf", &frame);
    lua_CFunction f = lua_tocfunction(co, -1);
    bool wrap = closes(co, level, f);
    lua_xmove(co, L, 1);
    bool collector = frame.name && strcmp(frame.name, "__gc") == 0;
    if (collector || strcmp(frame.namewhat, "hook") == 0) {
      lua_pushstring(L, collector ? "the garbage collector" : "a hook");
      return true;
    }
    if (*frame.what == 'C' && (wrap || !lets_pass(L, co, &frame, f))) {
      push_function_name(L, wrap ? "coroutine.wrap" : frame.name);
      lua_pushfstring(L, "the C function '%s'", lua_tostring(L, -1));
      return true;
    }
    lua_pop(L, 1);
  }
  return false;
}

void lp_coroutine_push_obstacle(lua_State *L) {
  lua_State *blocked = lp_state_of(L)->blocked;
  luaL_checkstack(L, 12, NULL);
  bool found = !lua_isyieldable(L) && push_frame(L, L, 1);
  if (!found && blocked) found = lua_checkstack(blocked, 2) && push_frame(L, blocked, 0);
  if (!found) lua_pushliteral(L, "a C function");
  lua_pushfstring(L, "it is called by %s, which cannot be suspended", lua_tostring(L, -1));
}

void lp_coroutine_open(lua_State *L) {
  static const luaL_Reg coroutine[] = {{"close", coroutine_close},
                                       {"create", coroutine_create},
                                       {"resume", coroutine_resume},
                                       {"running", coroutine_running},
                                       {"status", coroutine_status},
                                       {"wrap", coroutine_wrap},
                                       {"yield", coroutine_yield},
                                       {"isyieldable", coroutine_isyieldable},
                                       {NULL, NULL}};
  lua_getglobal(L, "coroutine");
  luaL_setfuncs(L, coroutine, 0);
  lua_pop(L, 1);
  lp_pcall_open(L);
}
