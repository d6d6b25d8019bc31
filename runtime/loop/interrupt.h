/* loop/interrupt.h: time slices: a task that never waits is suspended so that others run.
 *
 * A one-shot timer of the thread's CPU clock fires a signal; the handler only sets a hook on
 * the running coroutine; the hook acts inside the VM. No system call is paid when a task is
 * resumed: the handler compares the count of resumed tasks with that of the last firing, so
 * a task gets between one and two slices. Layer: loop. Owner: lp_state. */
#ifndef LP_LOOP_INTERRUPT_H
#define LP_LOOP_INTERRUPT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct lp_state lp_state;

typedef struct lp_interrupt {
  timer_t timer;
  bool open;
  const volatile void *thread; /* tells the thread whose clock the timer follows */
  unsigned lapses; /* those of the thread when the timer was last known to be armed */
  struct itimerspec slice;
  lua_State *volatile hooked; /* the coroutine whose hook is pending, or NULL */
  bool primed;                /* the hook has seen where its coroutine is */
  uint64_t resumes;           /* st->resumes when the timer was armed */
  lua_Hook saved;             /* a hook of the script that ours has displaced */
  int saved_mask, saved_count;
  volatile bool aside; /* ours is taken away: the handler only notes that it was missed */
  volatile bool missed;
  lua_CFunction sethook, gethook; /* the standard ones of debug */
} lp_interrupt;

/* Begins to slice tasks of this runtime; `slice` in seconds. Installs the handler of the
 * signal. Returns 0 or a negative errno. */
int lp_interrupt_open(lp_state *st, double slice);

/* The calling thread begins to run tasks of this runtime. Returns the one whose tasks it was
 * running, if any: one of them has called. */
lp_state *lp_interrupt_enter(lp_state *st);

/* It has run them; `outer` is what lp_interrupt_enter has returned. */
void lp_interrupt_leave(lp_state *outer);

/* No slices any more. Safe on a zeroed struct, safe twice. */
void lp_interrupt_close(lp_state *st);

/* From now on debug.sethook and debug.gethook know nothing of our hook: the one may not
 * displace it, or no tick would come any more, the other not tell of it. */
void lp_interrupt_hide(lua_State *L);

/* `co` was just made by L: it has the hook of L's script, but not ours. */
void lp_interrupt_inherit(lua_State *L, lua_State *co);

/* `from` gave control back to its resumer `to`: a pending hook goes along, or the tick is lost.
 */
void lp_interrupt_pass(lp_state *st, lua_State *from, lua_State *to);

/* The task was suspended or has ended: a pending hook is void, the next slice begins. */
void lp_interrupt_settle(lp_state *st);

#endif
