/* loop/interrupt.c: ticks, and the hook that acts on them. A tick may come between any two
 * instructions of the thread. So it touches only volatile fields, those of lp_interrupt that
 * nobody changes while `aside` is not set, and lua_sethook, which Lua allows in a handler.
 * Layer: loop. Process: any that runs scripts. */
#include "runtime/loop/interrupt.h"

#include <lauxlib.h>
#include <lualib.h>
#include <uv.h>

#include "runtime/base/list.h"
#include "runtime/loop/budget.h"
#include "runtime/loop/ceiling.h"
#include "runtime/loop/coroutine.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"
#include "runtime/loop/trust.h"

/* The count hook is called after so many instructions, of which a hook costs as much as some
 * ten. */
enum { COUNT = 1000 };

/* A task that could not be suspended at the end of a step is looked at again after so many
 * nanoseconds. */
enum { AGAIN_NS = 500000 };

/* So many lines of whole scripts pass before a tick acts all the same. Each of their functions
 * has far fewer. */
enum { MOST_SPARED = 100000 };

static int64_t cpu_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

bool lp_interrupt_over(const lp_state *st) {
  uint64_t until = st->interrupt.until;
  return until && uv_hrtime() >= until;
}

/* Starts the interval: for the task that was resumed last, or for the `next` one. */
static void arm(lp_state *st, bool next) {
  lp_interrupt *in = &st->interrupt;
  uint64_t resumes = st->resumes + next;
  if (in->resumes != resumes) in->sliced = 0;
  in->resumes = resumes;
  in->from.resumes = next ? 0 : st->resumes;
  if (!next) in->from.cpu_us = cpu_us();
  if (in->counting) in->due = uv_hrtime() + (uint64_t)lp_budget_interval(st) * 1000;
  lp_tick_arm(&in->ticks);
}

static void on_hook(lua_State *L, lua_Debug *ar);

/* Gives L the hook of ours that it has while none is pending. One that is there already is
 * left: to set it again would begin the count anew. */
static void set_base(const lp_interrupt *in, lua_State *L) {
  int mask = (in->counting ? LUA_MASKCOUNT : 0) | (in->watched == L ? LUA_MASKRET : 0);
  lua_Hook f = mask ? on_hook : NULL;
  if (lua_gethook(L) != f || lua_gethookmask(L) != mask) lua_sethook(L, f, mask, COUNT);
}

/* Takes the pending hook off L and puts back what was there, unless the script has put there
 * something else meanwhile. */
static void unhook(lp_interrupt *in, lua_State *L) {
  if (lua_gethook(L) == on_hook) {
    if (in->saved)
      lua_sethook(L, in->saved, in->saved_mask, in->saved_count);
    else
      set_base(in, L);
  }
  in->saved = NULL;
}

static void release(lp_interrupt *in, lua_State *L) {
  unhook(in, L);
  in->hooked = NULL;
}

/* Puts our hook on L. The hook of the script that is there is saved: on_hook hands its events
 * over to it. */
static void hook(lp_interrupt *in, lua_State *L, bool primed) {
  lua_Hook old = lua_gethook(L);
  if (old && old != on_hook) {
    in->saved_mask = lua_gethookmask(L);
    in->saved_count = lua_gethookcount(L);
    in->saved = old;
  }
  in->primed = primed;
  in->spared = 0;
  in->hooked = L;
  int mask = (in->saved ? in->saved_mask : 0) | (in->watched == L ? LUA_MASKRET : 0);
  lua_sethook(L, on_hook, LUA_MASKLINE | mask, in->saved ? in->saved_count : 0);
}

static bool end_aside(lp_interrupt *in) {
  in->aside = false;
  bool missed = in->missed;
  in->missed = false;
  return missed;
}

/* A tick, of a slice or of a step, while the runtime runs in this thread. The running task gets
 * the hook when the step is over, or when it has run for the whole slice. */
static void tick(lp_state *st, bool slice) {
  lp_interrupt *in = &st->interrupt;
  if (in->aside) {
    in->missed = true;
    return;
  }
  if (in->closed || in->hooked) return;
  bool over = lp_interrupt_over(st);
  lua_State *L = st->running;
  if (over) st->overdue = true;
  if (L && (over || (slice && in->resumes == st->resumes))) {
    hook(in, L, false);
  } else if (slice) {
    st->overdue = true;
    arm(st, false);
  }
}

void lp_interrupt_now(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  st->overdue = true;
  if (in->closed || in->aside || in->hooked || !st->running || in->guards) return;
  hook(in, st->running, false);
}

static void on_tick(lp_ticks *ticks, bool slice) {
  tick(lp_list_of(ticks, lp_state, interrupt.ticks), slice);
}

/* The count hook looks at the clocks. */
static void poll(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  uint64_t now = uv_hrtime();
  bool over = in->until && now >= in->until;
  if (!over && (now < in->due || !lp_budget_interval(st))) return;
  bool known = !over && in->from.resumes == st->resumes;
  int64_t left = known ? lp_budget_interval(st) - (cpu_us() - in->from.cpu_us) : 0;
  if (left > 0)
    in->due = now + (uint64_t)left * 1000;
  else
    tick(st, true);
}

/* Gives L the base hook when none is pending there and returns true: what it has is left from
 * the last slice, or L is a new thread that has inherited it. A tick must not put a pending one
 * there in the middle of that. */
static bool drop_left(lp_state *st, lua_State *L) {
  lp_interrupt *in = &st->interrupt;
  in->aside = true;
  bool left = in->hooked != L;
  if (left) set_base(in, L);
  if (end_aside(in)) tick(st, true);
  return left;
}

/* True in a script of luapool that is marked as whole: no other task runs between its lines, so
 * the slice ends when its functions have returned. They are short, and wait only in C. */
static bool is_whole(lp_state *st, lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "S", ar);
  return lp_trust_is_whole(st, ar) && st->interrupt.spared++ < MOST_SPARED;
}

/* The running task can be suspended again. */
static void forget_stuck(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  lua_State *watched = in->watched;
  in->stuck = 0;
  in->told = false;
  in->watched = NULL;
  if (watched) drop_left(st, watched);
}

static int mask_of(int event) {
  return event == LUA_HOOKTAILCALL ? LUA_MASKCALL : 1 << event;
}

/* True when the error of its cancellation is to be raised in the current task now, and not only
 * its slice to end. A task that has had its time and cannot be suspended gets it at each tick.
 */
static bool is_to_end(lp_state *st, bool stuck) {
  lp_task *t = st->current;
  if (!t || st->interrupt.guards) return false;
  return (stuck && st->late && st->late(st)) || lp_task_cancel_overruns(t, stuck);
}

/* Counts the CPU time since the last tick. When the task was resumed meanwhile it is not known
 * how much of that is the task's: it counts for the slice alone. */
static void charge(lp_state *st, bool suspendable) {
  lp_interrupt *in = &st->interrupt;
  bool known = in->from.resumes == st->resumes;
  int64_t used = known ? cpu_us() - in->from.cpu_us : 0;
  in->sliced += known ? used : lp_budget_interval(st);
  if (st->current) lp_budget_charge(st->current, used);
  int64_t interval = lp_budget_interval(st);
  bool first = in->stuck == 0; /* what came before, the collector say, is not this call's */
  if (!suspendable)
    in->stuck += first && used > interval ? interval : used;
  else if (in->stuck)
    forget_stuck(st);
}

/* The pending hook of L acts: the running task is suspended, or gets an error. Where a budget
 * broke and the task cannot be suspended the hook stays: the error is raised again at the next
 * tick, and after a while at every line. When the hook suspends L it stays on L: the VM skips
 * one event when it resumes a coroutine that a hook has suspended, and without the hook it
 * would skip the first one of the next slice. */
static void act(lp_state *st, lua_State *L) {
  lp_interrupt *in = &st->interrupt;
  bool suspendable = lp_coroutine_suspendable(L), over = lp_interrupt_over(st);
  charge(st, suspendable);
  lp_budget_break broke = lp_budget_check(st, suspendable);
  bool ends = is_to_end(st, !suspendable);
  bool tight = st->ceiling.reached && st->current;
  bool suspends = suspendable && !ends && (over || broke || tight || lp_budget_ends_slice(st));
  bool stays = broke && !suspendable && lp_budget_is_hopeless(st);
  if (!in->watched && !in->saved && lp_budget_is_half(st)) in->watched = L;
  if (suspends && !in->saved)
    in->hooked = NULL;
  else if (!stays)
    release(in, L);
  arm(st, suspends);
  if (over && !suspends) lp_tick_until(&in->ticks, uv_hrtime() + AGAIN_NS);
  if (ends) lp_task_cancel_raise(L);
  if (broke && !suspendable) lp_budget_raise(L, broke);
  if (!suspends) return;
  if (broke) lp_budget_break_task(L);
  if (tight) lp_ceiling_suspends(st);
  st->yielding = LP_YIELD_SLICE;
  lua_yield(L, 0);
}

/* Budgets are looked at once a tick, and no more often than that where there is only a step. */
void lp_interrupt_check(lua_State *L) {
  enum { SELDOM_US = 1000 };
  lp_state *st = lp_state_of(L);
  lp_interrupt *in = &st->interrupt;
  if (in->counting && !in->hooked) poll(st);
  if (!in->hooked || in->aside) return;
  int64_t interval = lp_budget_interval(st), used = cpu_us() - in->from.cpu_us;
  bool known = in->from.resumes == st->resumes;
  if (known && used < (interval ? interval : SELDOM_US)) return;
  charge(st, false);
  lp_budget_break broke = lp_budget_check(st, false);
  bool ends = is_to_end(st, true);
  if (ends || (broke && !lp_budget_is_hopeless(st))) release(in, in->hooked);
  arm(st, false);
  if (ends) lp_task_cancel_raise(L);
  if (broke) lp_budget_raise(L, broke);
}

/* Lua calls it for events of a coroutine that has our hook. A slice ends where a line begins or
 * a loop turns, so that `sum = sum + x` on a line of its own is never cut in two. The first
 * event does not count: Lua reports a new line whenever it differs from the last one that it
 * has seen with a hook on, so the first event may come in the middle of a line. An event at the
 * first instruction of a function does not count either when the script has a hook for calls:
 * resumed there, the VM would report the call to it again. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  if (!lp_state_is_open(L)) { /* a coroutine of the host's has outlived the runtime */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lp_state *st = lp_state_of(L);
  lp_interrupt *in = &st->interrupt;
  if (in->counting && in->hooked != L && ar->event == LUA_HOOKCOUNT) {
    poll(st);
    return;
  }
  if (in->watched == L && ar->event == LUA_HOOKRET) {
    if (lp_coroutine_suspendable(L)) forget_stuck(st);
    if (in->hooked != L) return;
  }
  if (drop_left(st, L)) return;
  if (in->saved && in->saved_mask & mask_of(ar->event)) in->saved(L, ar);
  if (in->hooked != L) return; /* the script's hook has resumed others, and ours has moved */
  bool line = ar->event == LUA_HOOKLINE, call = mask_of(ar->event) == LUA_MASKCALL;
  bool acts = line && in->primed && !is_whole(st, L, ar);
  in->primed = (in->primed || line) && !call;
  if (acts) act(st, L);
}

/* `to` is in a C function, or at its start. When it comes back to Lua code, the VM takes note
 * of the line, so its first event counts; else two coroutines that take turns within one line
 * each would never see a second event. */
void lp_interrupt_pass(lp_state *st, lua_State *from, lua_State *to) {
  lp_interrupt *in = &st->interrupt;
  bool watched = in->watched == from;
  if (watched) in->watched = to;
  if (in->hooked == from) {
    unhook(in, from);
    hook(in, to, true);
  } else if (watched || in->counting) {
    drop_left(st, from);
    lp_interrupt_count(st, to);
    if (in->counting) poll(st);
  }
}

void lp_interrupt_count(lp_state *st, lua_State *co) {
  lua_Hook f = lua_gethook(co);
  if (!f || f == on_hook) drop_left(st, co);
}

void lp_interrupt_settle(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  bool missed = in->aside && end_aside(in); /* a function of debug ran out of memory */
  if (in->stuck) forget_stuck(st);
  if (!in->hooked && !missed) return;
  if (in->hooked) release(in, in->hooked);
  arm(st, true);
}

void lp_interrupt_again(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  in->from.cpu_us = cpu_us();
  in->from.resumes = st->resumes;
}

void lp_interrupt_inherit(lua_State *L, lua_State *co) {
  lp_interrupt *in = &lp_state_of(L)->interrupt;
  lua_Hook f = lua_gethook(co); /* a signal may have come while it was copied */
  if (f != on_hook && (f || !lua_gethookmask(co))) return;
  lua_Hook saved = in->hooked == L ? in->saved : NULL;
  lua_sethook(co, saved, saved ? in->saved_mask : 0, saved ? in->saved_count : 0);
}

/* ---- hooks of scripts ---- */

/* Calls a standard function of debug in the frame of ours that stands in its place, so that its
 * errors name that. Meanwhile our hook, pending or left from the last slice, is off the
 * coroutine that the call is about. */
static int call_aside(lua_State *L, lua_CFunction standard) {
  lp_interrupt *in = &lp_state_of(L)->interrupt;
  lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
  in->aside = true;
  bool pending = in->hooked == co;
  if (pending) unhook(in, co);
  bool left = lua_gethook(co) == on_hook;
  int mask = lua_gethookmask(co), count = lua_gethookcount(co);
  if (left) lua_sethook(co, NULL, 0, 0);
  int results = standard(L);
  if (left && !lua_gethook(co)) lua_sethook(co, on_hook, mask, count);
  if (pending) hook(in, co, true);
  if (end_aside(in) && !in->hooked) hook(in, L, true);
  return results;
}

/* It finds wrong arguments itself, as the standard function must not raise while our hook is
 * away. What the hook holds lives as long as its coroutine, so the coroutine of a task is not
 * used again. The count hook gives way to no other one. */
static int debug_sethook(lua_State *L) {
  lp_state *st = lp_state_of(L);
  int arg = lua_isthread(L, 1);
  lp_task *t = st->current;
  if (t && t->co == (arg ? lua_tothread(L, 1) : L)) t->entered = true;
  if (!lua_isnoneornil(L, arg + 1)) {
    luaL_checkstring(L, arg + 2);
    luaL_checktype(L, arg + 1, LUA_TFUNCTION);
    luaL_optinteger(L, arg + 3, 0);
    if (st->interrupt.counting)
      return luaL_error(L, "the hook is in use: it keeps the budgets");
  }
  return call_aside(L, st->interrupt.sethook);
}

static int debug_gethook(lua_State *L) {
  return call_aside(L, lp_state_of(L)->interrupt.gethook);
}

void lp_interrupt_hide(lua_State *L) {
  lp_interrupt *in = &lp_state_of(L)->interrupt;
  static const luaL_Reg functions[] = {
      {"sethook", debug_sethook}, {"gethook", debug_gethook}, {NULL, NULL}};
  lua_getglobal(L, LUA_DBLIBNAME);
  lua_getfield(L, -1, "sethook");
  lua_getfield(L, -2, "gethook");
  in->sethook = lua_tocfunction(L, -2);
  in->gethook = lua_tocfunction(L, -1);
  lua_pop(L, 2);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}

/* ---- what gives ticks ---- */

/* The count hook serves where a timer is wanted and there is none. */
static void choose_source(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  bool slices = lp_budget_interval(st) > 0, timed = !in->until || in->ticks.has_step;
  bool counting = !in->closed && ((slices && !in->ticks.has_slice) || !timed);
  if (counting == in->counting) return;
  in->counting = counting;
  if (counting) arm(st, false);
}

int lp_interrupt_open(lp_state *st, int signal) {
  lp_interrupt *in = &st->interrupt;
  in->closed = false;
  in->ticks.fire = on_tick;
  int rc = signal ? lp_tick_open(&in->ticks, signal) : 0;
  if (rc == 0) rc = lp_tick_set_interval(&in->ticks, lp_budget_interval(st) * 1000);
  arm(st, true);
  choose_source(st);
  return rc;
}

void lp_interrupt_guard(lp_state *st, int more) {
  st->interrupt.guards += more;
  choose_source(st);
}

void lp_interrupt_until(lp_state *st, uint64_t ns) {
  if (st->interrupt.until == ns) return;
  st->interrupt.until = ns;
  lp_tick_until(&st->interrupt.ticks, ns);
  choose_source(st);
}

void lp_interrupt_end(lp_state *st, uint64_t ns) {
  st->interrupt.ending = true;
  lp_interrupt_until(st, ns);
}

lp_ticks *lp_interrupt_enter(lp_state *st) {
  lp_ticks *outer = lp_tick_enter(&st->interrupt.ticks);
  choose_source(st);
  return outer;
}

void lp_interrupt_leave(lp_state *st, lp_ticks *outer) {
  lp_tick_leave(&st->interrupt.ticks, outer);
}

/* A hook that is left on some coroutine does nothing any more: see drop_left. */
void lp_interrupt_close(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  in->closed = true;
  in->counting = false;
  lp_tick_close(&in->ticks);
  if (in->hooked) release(in, in->hooked);
}
