/* loop/interrupt.h: time slices: a task that never waits is suspended so that others run.
 *
 * A one-shot timer of the thread's CPU clock fires a signal. The handler only sets a hook on
 * the running coroutine, and the hook acts inside the VM. Resuming a task costs no system call:
 * the handler compares the count of resumed tasks with that of the last firing, so a task gets
 * between one and two slices. At the end of a slice a cancelled task gets its error. Layer:
 * loop. Owner: lp_state. */
#ifndef LP_LOOP_INTERRUPT_H
#define LP_LOOP_INTERRUPT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct lp_state lp_state;

typedef struct lp_interrupt {
  timer_t timer;
  /* The timer exists. */
  bool open;
  /* An address that tells the thread whose CPU clock the timer follows. */
  const volatile void *thread;
  /* The thread's count of lapses when the timer was last known to be armed: see interrupt.c. */
  unsigned lapses;
  /* How long a slice is. */
  struct itimerspec slice;
  /* The coroutine that has our hook and will act on it, or NULL. */
  lua_State *volatile hooked;
  /* The hook has seen an event of that coroutine, so the next line is the start of a line. */
  bool primed;
  /* st->resumes when the timer was armed. */
  uint64_t resumes;
  /* The hook of the script that ours has displaced, or NULL. */
  lua_Hook saved;
  int saved_mask, saved_count;
  /* Our hook is off its coroutine for a moment: a signal only sets `missed` then. */
  volatile bool aside;
  volatile bool missed;
  /* The standard functions of debug, for which ours stand. */
  lua_CFunction sethook, gethook;
} lp_interrupt;

/* Begins to slice tasks of this runtime; `slice` in seconds. Installs the handler of the
 * signal. Returns 0 or a negative errno. */
int lp_interrupt_open(lp_state *st, double slice);

/* The loop calls it when the calling thread begins to run tasks of this runtime. Returns the
 * runtime whose task has called the loop, or NULL. */
lp_state *lp_interrupt_enter(lp_state *st);

/* The loop calls it when it has run them; `outer` is what lp_interrupt_enter returned. */
void lp_interrupt_leave(lp_state *outer);

/* Tasks are not sliced any more. Safe on a zeroed struct, safe twice. */
void lp_interrupt_close(lp_state *st);

/* Puts functions in place of debug.sethook and debug.gethook. A script that sets a hook with
 * them does not displace ours, after which no slice would end any more; nor does it get ours.
 */
void lp_interrupt_hide(lua_State *L);

/* Takes our hook off `co`, a coroutine that L has just made, and leaves it the script's. */
void lp_interrupt_inherit(lua_State *L, lua_State *co);

/* Moves a pending hook from a coroutine that gave control back to its resumer `to`, where it
 * will act; else the end of the slice would be lost. */
void lp_interrupt_pass(lp_state *st, lua_State *from, lua_State *to);

/* Drops a pending hook when a task was suspended or has ended, and begins the next slice. */
void lp_interrupt_settle(lp_state *st);

#endif
