/* loop/interrupt.c: the timer of slices, its signal handler and the hook. The handler runs
 * between any two instructions of the thread. So it touches only volatile fields, those of
 * lp_interrupt that nobody changes while `aside` is not set, and lua_sethook, which Lua allows
 * in a handler. Layer: loop. Process: any that runs scripts. */
#include "runtime/loop/interrupt.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/loop/coroutine.h"
#include "runtime/loop/scripts.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"

enum { SIGNAL = SIGVTALRM };

/* The runtime whose tasks this thread runs just now, or NULL. The handler touches no other. */
static _Thread_local lp_state *volatile here;

/* Counts the signals that came while a runtime was not `here`: its timer is to be armed again.
 */
static _Thread_local volatile unsigned lapses;

/* Starts the timer: for a slice of the task that was resumed last, or of the `next` one. */
static void arm(lp_state *st, bool next) {
  st->interrupt.resumes = st->resumes + next;
  timer_settime(st->interrupt.timer, 0, &st->interrupt.slice, NULL);
}

static void on_hook(lua_State *L, lua_Debug *ar);

/* Takes our hook off L and puts back what the script had there, unless the script has put there
 * something else meanwhile. */
static void unhook(lp_interrupt *in, lua_State *L) {
  if (lua_gethook(L) == on_hook) {
    if (in->saved)
      lua_sethook(L, in->saved, in->saved_mask, in->saved_count);
    else
      lua_sethook(L, NULL, 0, 0);
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
  in->hooked = L;
  int mask = in->saved ? in->saved_mask : 0;
  lua_sethook(L, on_hook, LUA_MASKLINE | mask, in->saved ? in->saved_count : 0);
}

static bool end_aside(lp_interrupt *in) {
  in->aside = false;
  bool missed = in->missed;
  in->missed = false;
  return missed;
}

/* Takes our hook off L when it is not pending there: it is left from the last slice, or L is a
 * new thread that has inherited it. A signal must not put it back in the middle of that. */
static bool drop_left(lp_interrupt *in, lua_State *L) {
  in->aside = true;
  bool left = in->hooked != L;
  if (left) lua_sethook(L, NULL, 0, 0);
  if (end_aside(in) && !in->hooked) hook(in, L, false);
  return left;
}

/* True in a script of luapool that is marked as whole: no other task runs between its lines, so
 * the slice ends when its functions have returned. They are short, and wait only in C. */
static bool is_whole(lua_State *L, lua_Debug *ar) {
  lua_getinfo(L, "S", ar);
  return lp_script_flags(ar) & LP_SCRIPT_WHOLE;
}

static int mask_of(int event) {
  return event == LUA_HOOKTAILCALL ? LUA_MASKCALL : 1 << event;
}

/* True when the error of its cancellation is to be raised in the current task now, and not only
 * its slice to end. A task that has had its time and cannot be suspended gets it at each tick.
 */
static bool is_to_end(lp_state *st, bool stuck) {
  lp_task *t = st->current;
  if (!t) return false;
  return (stuck && st->late && st->late(st)) || lp_task_overruns(t, stuck);
}

/* Lua calls it for events of a coroutine that has our hook. A slice ends where a line begins or
 * a loop turns, so that `sum = sum + x` on a line of its own is never cut in two. The first
 * event does not count: Lua reports a new line whenever it differs from the last one that it
 * has seen with a hook on, so the first event may come in the middle of a line. An event at the
 * first instruction of a function does not count either when the script has a hook for calls:
 * resumed there, the VM would report the call to it again. When the hook suspends L it stays on
 * L: the VM skips one event when it resumes a coroutine that a hook has suspended, and without
 * the hook it would skip the first one of the next slice. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  lp_state *st = lp_state_of(L);
  lp_interrupt *in = &st->interrupt;
  if (drop_left(in, L)) return;
  if (in->saved && in->saved_mask & mask_of(ar->event)) in->saved(L, ar);
  if (in->hooked != L) return; /* the script's hook has resumed others, and ours has moved */
  bool line = ar->event == LUA_HOOKLINE, call = mask_of(ar->event) == LUA_MASKCALL;
  bool acts = line && in->primed && !is_whole(L, ar);
  in->primed = (in->primed || line) && !call;
  if (!acts) return;
  bool suspendable = lp_coroutine_suspendable(L), ends = is_to_end(st, !suspendable);
  bool suspends = suspendable && !ends;
  if (suspends && !in->saved)
    in->hooked = NULL;
  else
    release(in, L);
  arm(st, suspends);
  if (ends) lp_task_raise_cancelled(L);
  if (!suspends) return;
  st->yielding = LP_YIELD_SLICE;
  lua_yield(L, 0);
}

/* The signal's value is the address of the runtime whose timer has fired. That runtime may be
 * closed by now, so the address is only compared. */
static void on_signal(int signum, siginfo_t *info, void *context) {
  (void)signum, (void)context;
  int saved_errno = errno;
  lp_state *st = here;
  if (!st || info->si_value.sival_ptr != st) {
    lapses++;
  } else if (st->interrupt.aside) {
    st->interrupt.missed = true;
  } else if (st->interrupt.open && !st->interrupt.hooked) {
    lua_State *L = st->running;
    if (L && st->interrupt.resumes == st->resumes) {
      hook(&st->interrupt, L, false);
    } else {
      st->overdue = true;
      arm(st, false);
    }
  }
  errno = saved_errno;
}

/* `to` is in a C function, or at its start. When it comes back to Lua code, the VM takes note
 * of the line, so its first event counts; else two coroutines that take turns within one line
 * each would never see a second event. */
void lp_interrupt_pass(lp_state *st, lua_State *from, lua_State *to) {
  lp_interrupt *in = &st->interrupt;
  if (in->hooked != from) return;
  unhook(in, from);
  hook(in, to, true);
}

void lp_interrupt_settle(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  bool missed = in->aside && end_aside(in); /* a function of debug ran out of memory */
  if (!in->hooked && !missed) return;
  if (in->hooked) release(in, in->hooked);
  arm(st, true);
}

void lp_interrupt_inherit(lua_State *L, lua_State *co) {
  lp_interrupt *in = &lp_state_of(L)->interrupt;
  lua_Hook f = lua_gethook(co); /* a signal may have come while it was copied */
  if (f != on_hook && (f || !lua_gethookmask(co))) return;
  lua_Hook saved = in->hooked == L ? in->saved : NULL;
  lua_sethook(co, saved, saved ? in->saved_mask : 0, saved ? in->saved_count : 0);
}

/* Calls a standard function of debug in the frame of ours that stands in its place, so that its
 * errors name that. Meanwhile our hook, pending or left from the last slice, is off the
 * coroutine that the call is about. */
static int call_aside(lua_State *L, lua_CFunction standard) {
  lp_interrupt *in = &lp_state_of(L)->interrupt;
  lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
  in->aside = true;
  bool pending = in->hooked == co, left = !pending && lua_gethook(co) == on_hook;
  if (pending) unhook(in, co);
  if (left) lua_sethook(co, NULL, 0, 0);
  int results = standard(L);
  if (pending) hook(in, co, true);
  if (left && !lua_gethook(co)) lua_sethook(co, on_hook, LUA_MASKLINE, 0);
  if (end_aside(in) && !in->hooked) hook(in, L, true);
  return results;
}

/* It finds wrong arguments itself, as the standard function must not raise while our hook is
 * away. What the hook holds lives as long as its coroutine, so the coroutine of a task is not
 * used again. */
static int debug_sethook(lua_State *L) {
  int arg = lua_isthread(L, 1);
  lp_task *t = lp_state_of(L)->current;
  if (t && t->co == (arg ? lua_tothread(L, 1) : L)) t->entered = true;
  if (!lua_isnoneornil(L, arg + 1)) {
    luaL_checkstring(L, arg + 2);
    luaL_checktype(L, arg + 1, LUA_TFUNCTION);
    luaL_optinteger(L, arg + 3, 0);
  }
  return call_aside(L, lp_state_of(L)->interrupt.sethook);
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

/* Makes the timer, for the CPU clock of the calling thread, and starts it. */
static int create_timer(lp_state *st) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL};
  event.sigev_value.sival_ptr = st;
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  lp_interrupt *in = &st->interrupt;
  in->open = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &in->timer) == 0;
  if (!in->open) return -errno;
  in->thread = &lapses;
  arm(st, true);
  return 0;
}

int lp_interrupt_open(lp_state *st, double slice) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
  if (sigaction(SIGNAL, &action, NULL) < 0) return -errno;
  lp_interrupt *in = &st->interrupt;
  double whole = floor(slice);
  in->slice.it_value.tv_sec = (time_t)whole;
  in->slice.it_value.tv_nsec = (long)((slice - whole) * 1e9);
  return create_timer(st);
}

/* Makes the timer again when the runtime has come to another thread, and starts it again when
 * its signal came while another runtime was `here`. */
static void check_timer(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  if (!in->open) return;
  if (in->thread != &lapses) {
    timer_delete(in->timer);
    create_timer(st);
  } else if (in->lapses != lapses) {
    arm(st, false);
  }
  in->lapses = lapses;
}

lp_state *lp_interrupt_enter(lp_state *st) {
  lp_state *outer = here;
  here = st;
  check_timer(st);
  return outer;
}

void lp_interrupt_leave(lp_state *outer) {
  here = outer;
  if (outer) check_timer(outer);
}

/* A hook that is left on some coroutine does nothing any more: see drop_left. */
void lp_interrupt_close(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  if (!in->open) return;
  in->open = false;
  timer_delete(in->timer);
  if (in->hooked) release(in, in->hooked);
}
