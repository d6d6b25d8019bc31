/* loop/interrupt.h: what runs too long is interrupted: a task that never waits is suspended so
 * that others run, and one that has used up a budget is ended.
 *
 * A tick comes from a timer's signal: see tick.h. The handler only sets a hook on the running
 * coroutine, and the hook acts inside the VM. Resuming a task costs no system call: the handler
 * compares the count of resumed tasks with that of the last tick, so a task gets between one
 * and two slices. At the end of a slice a cancelled task gets its error. Where the host has
 * granted no signal, the count hook of Lua looks at the clock instead, as long as there is a
 * limit to keep; it costs as much again as the script. Layer: loop. Owner: lp_state. */
#ifndef LP_LOOP_INTERRUPT_H
#define LP_LOOP_INTERRUPT_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/loop/tick.h"

typedef struct lp_state lp_state;
typedef struct lp_task lp_task;

typedef struct lp_interrupt {
  lp_ticks ticks;
  /* Tasks are not interrupted any more. */
  bool closed;
  /* Ticks come from the count hook. */
  bool counting;
  /* The count hook looks at the clock of CPU time from this time of the monotonic clock on. */
  uint64_t due;
  /* When tasks have to stop, in nanoseconds of the monotonic clock; 0: never. */
  volatile uint64_t until;
  /* The runtime closes: what runs then is ended and not only suspended. */
  bool ending;
  /* The task that is the resumes-th to be resumed runs at least since cpu_us. */
  struct {
    volatile uint64_t resumes;
    volatile int64_t cpu_us;
  } from;
  /* The coroutine that has our hook and will act on it, or NULL. */
  lua_State *volatile hooked;
  /* The hook has seen an event of that coroutine, so the next line is the start of a line. */
  bool primed;
  /* st->resumes when the timer was armed. */
  volatile uint64_t resumes;
  /* The hook of the script that ours has displaced, or NULL. */
  lua_Hook saved;
  int saved_mask, saved_count;
  /* Our hook is off its coroutine for a moment: a tick only sets `missed` then. */
  volatile bool aside;
  volatile bool missed;
  /* How many lines of whole scripts the pending hook has let pass. */
  int spared;
  /* Microseconds of CPU of the slice that the running task has used up by the last tick. */
  int64_t sliced;
  /* Microseconds of CPU that were used since the running task could be suspended last. */
  int64_t stuck;
  /* The coroutine whose returns are watched, or NULL: when one comes back to where the task can
   * be suspended, nothing is stuck any more. From half of the budget on. */
  lua_State *watched;
  /* The host has been told that this was too much. */
  bool told;
  /* How many calls of user code are under way that stand under a budget of their own: guard.h.
   */
  int guards;
  /* The standard functions of debug, for which ours stand. */
  lua_CFunction sethook, gethook;
} lp_interrupt;

/* Begins to keep the limits of this runtime, st->limits; `signal` is what the host has granted,
 * or 0. Called again when the limits have changed. Returns 0 or a negative errno. */
int lp_interrupt_open(lp_state *st, int signal);

/* Tasks are not interrupted any more. Safe on a zeroed struct, safe twice. */
void lp_interrupt_close(lp_state *st);

/* The end of a step: a task that runs at `ns`, a time of uv_hrtime, is suspended there, and the
 * loop resumes no other one before it has polled (st->overdue). 0: there is no such end. Called
 * in the thread that runs the step. */
void lp_interrupt_until(lp_state *st, uint64_t ns);

/* The runtime closes, and has time until `ns`: what runs then is ended, and no finalizer of a
 * script is called any more. */
void lp_interrupt_end(lp_state *st, uint64_t ns);

/* Suspends the running task soon. Also from within an allocation of Lua. */
void lp_interrupt_now(lp_state *st);

/* True when a step has come to its end. */
bool lp_interrupt_over(const lp_state *st);

/* The loop calls it when the calling thread begins to run tasks of this runtime. Returns the
 * one whose task has called the loop, or NULL. */
lp_ticks *lp_interrupt_enter(lp_state *st);

/* The loop calls it when it has run them; `outer` is what lp_interrupt_enter returned. */
void lp_interrupt_leave(lp_state *st, lp_ticks *outer);

/* A task, which has just been resumed, goes on after its slice has ended. */
void lp_interrupt_again(lp_state *st);

/* Puts the count hook on a coroutine that is about to run. Only while `counting`. */
void lp_interrupt_count(lp_state *st, lua_State *co);

/* Puts functions in place of debug.sethook and debug.gethook. A script that sets a hook with
 * them does not displace ours, after which no slice would end any more; nor does it get ours.
 */
void lp_interrupt_hide(lua_State *L);

/* Takes our hook off `co`, a coroutine that L has just made, and leaves it the script's. */
void lp_interrupt_inherit(lua_State *L, lua_State *co);

/* Moves a pending hook from a coroutine that gave control back to its resumer `to`, where it
 * will act; else the end of the slice would be lost. */
void lp_interrupt_pass(lp_state *st, lua_State *from, lua_State *to);

/* A function in C that takes long calls it now and then: where a budget broke, its error is
 * raised. Where none did, a tick that has come acts when the function has returned. */
void lp_interrupt_check(lua_State *L);

/* Drops a pending hook when a task was suspended or has ended, and begins the next slice. */
void lp_interrupt_settle(lp_state *st);

/* Is there anything for lp_interrupt_settle to do? */
static inline bool lp_interrupt_pending(const lp_interrupt *in) {
  return in->hooked || in->aside || in->stuck;
}

/* So many `more` calls of user code stand under a budget of their own: see guard.h. */
void lp_interrupt_guard(lp_state *st, int more);

#endif
