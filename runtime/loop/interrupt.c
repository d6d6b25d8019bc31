/* loop/interrupt.c: the slice timer, its signal handler and the hook. The handler runs between
 * any two instructions: it reads and writes only what interrupt.h says, and lua_sethook allows
 * that. Layer: loop. Process: any that runs scripts. */
#include "runtime/loop/interrupt.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/loop/coroutine.h"
#include "runtime/loop/state.h"
#include "runtime/loop/task.h"

enum { SIGNAL = SIGVTALRM };

/* The runtime whose tasks this thread runs. */
static _Thread_local lp_state *here;

/* For a slice of the task that was resumed last, or that will be `next`. */
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

/* The functions of these parts are steps between which no task comes: a slice ends when they
 * have returned. They are short, and wait only in C. */
static bool is_step(lua_State *L, lua_Debug *ar) {
  static const char *const parts[] = {"=luapool/sync", "=luapool/task", "=luapool/pool",
                                      "=luapool/require", "=luapool/job/source"};
  lua_getinfo(L, "S", ar);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (strncmp(ar->source, parts[i], strlen(parts[i])) == 0) return true;
  return false;
}

static int mask_of(int event) {
  return event == LUA_HOOKTAILCALL ? LUA_MASKCALL : 1 << event;
}

/* Where it cannot be suspended a task that has had its time gets the error, at each tick. */
static void check_time(lua_State *L) {
  lp_state *st = lp_state_of(L);
  if (!st->current || !st->late || !st->late(st)) return;
  st->current->unwinding = true;
  lp_task_error_push_cancelled(L, st->current);
  lua_error(L);
}

/* A slice ends where a line begins or a loop turns, so that `sum = sum + x` on a line of its
 * own is never cut in two. The first event tells only where L is: Lua compares with the line
 * before, which it has not kept up to now. Nor does one at a function's first instruction when
 * the script has a hook for calls: resumed there, the VM would tell it of the call again. A
 * hook that suspends L stays on it: when L is resumed the VM still wants to pass it by, or it
 * would pass by the first event of the next slice. */
static void on_hook(lua_State *L, lua_Debug *ar) {
  lp_state *st = lp_state_of(L);
  lp_interrupt *in = &st->interrupt;
  if (in->hooked != L) { /* left from the last slice, or inherited by a new thread */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  if (in->saved && in->saved_mask & mask_of(ar->event)) in->saved(L, ar);
  if (in->hooked != L) return; /* the script's hook may resume others */
  bool line = ar->event == LUA_HOOKLINE, call = mask_of(ar->event) == LUA_MASKCALL;
  bool acts = line && in->primed && !is_step(L, ar);
  in->primed = (in->primed || line) && !call;
  if (!acts) return;
  bool suspends = lp_coroutine_suspendable(L);
  if (suspends && !in->saved)
    in->hooked = NULL;
  else
    release(in, L);
  arm(st, suspends);
  if (!suspends) {
    check_time(L);
    return;
  }
  st->current->inner = L;
  st->yielding = LP_YIELD_SLICE;
  lua_yield(L, 0);
}

/* The events that the script waits for go on: on_hook hands them over. */
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

static void on_signal(int signum) {
  (void)signum;
  int saved_errno = errno;
  lp_state *st = here;
  if (st && st->interrupt.open && !st->interrupt.hooked) {
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

/* `to` is in a C function, or at its start: when it comes back to Lua code, the VM notes where
 * that is. Were its first event not to count, two coroutines that take turns within a line each
 * would never see a second one. */
void lp_interrupt_pass(lp_state *st, lua_State *from, lua_State *to) {
  lp_interrupt *in = &st->interrupt;
  if (in->hooked != from) return;
  unhook(in, from);
  hook(in, to, true);
}

void lp_interrupt_settle(lp_state *st) {
  lp_interrupt *in = &st->interrupt;
  if (!in->hooked) return;
  release(in, in->hooked);
  arm(st, true);
}

int lp_interrupt_open(lp_state *st, double slice) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL};
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  lp_interrupt *in = &st->interrupt;
  if (sigaction(SIGNAL, &action, NULL) < 0) return -errno;
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &in->timer) < 0) return -errno;
  double whole = floor(slice);
  in->slice.it_value.tv_sec = (time_t)whole;
  in->slice.it_value.tv_nsec = (long)((slice - whole) * 1e9);
  in->open = true;
  here = st;
  arm(st, true);
  return 0;
}

void lp_interrupt_close(lp_state *st) {
  if (!st->interrupt.open) return;
  st->interrupt.open = false;
  timer_delete(st->interrupt.timer);
  if (here == st) here = NULL;
}
