/* loop/state.h: one runtime: one Lua state on one libuv loop, and its tasks.
 *
 * Every lua_State of the runtime (the main thread and all coroutines) finds it in its extra
 * space. The lowest bit of that word is set while a coroutine is suspended by a wait or by a
 * time slice, not by coroutine.yield: such a coroutine belongs to its task and nobody may
 * resume it; the next two are coroutine.c's. Layer: loop. Owner: luapool.c or worker.c, which
 * open and close it. */
#ifndef LP_LOOP_STATE_H
#define LP_LOOP_STATE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/loop/anchor.h"
#include "runtime/loop/interrupt.h"
#include "runtime/loop/timer.h"
#include "runtime/loop/warning.h"

typedef struct lp_task lp_task;

/* Why the running coroutine is being suspended, as seen by everything it yields through. */
typedef enum { LP_YIELD_PLAIN, LP_YIELD_WAIT, LP_YIELD_SLICE } lp_yield;

/* Something to be done once, after tasks have run and before the loop polls: a channel
 * flushes there what many tasks wrote. Embed it; `link` in no list means "not asked for". */
typedef struct lp_flush {
  lp_list link;
  void (*run)(struct lp_flush *f);
} lp_flush;

typedef struct lp_state {
  lp_heap heap;    /* what Lua uses */
  lua_State *L;    /* the main thread: for set-up, never suspended */
  uv_loop_t *loop; /* own_loop, or the host's */
  uv_loop_t own_loop;

  lp_list ready;     /* tasks to resume, first come first served */
  lp_list preempted; /* tasks that used up a slice, and those that had not started by then:
                        after all ready ones */
  lp_list flushes;   /* asked for with lp_loop_flush */
  lp_timers timers;
  uv_prepare_t prepare; /* runs the ready tasks before each poll */
  uv_idle_t spin;       /* active while there is something to do: the poll does not block */
  uv_timer_t clock;     /* fires for the first of `timers` */

  lp_task *current;            /* the task that runs now */
  lua_State *volatile running; /* its innermost running coroutine */
  volatile uint64_t resumes;   /* counts resumed tasks: tells the interrupt whose slice it is */
  uint64_t numbers;            /* the number of the latest task made */
  bool fresh;                  /* `ready` may have tasks that have not started */
  volatile bool overdue;       /* tasks have run for a slice: the loop must poll */
  bool owed; /* ready tasks alone have: the next turn begins with `preempted` */
  lp_interrupt interrupt;
  lp_yield yielding;
  lua_State *blocked;     /* the innermost resumer that cannot be suspended, or NULL */
  lua_CFunction shield;   /* task.shield: waits pass through it */
  const void *task_class; /* the metatable of Task objects */
  lp_anchors anchors;     /* the Task objects of live and of idle tasks */
  lp_list idle;           /* ended tasks kept for reuse */
  int idle_count;
  int spares; /* registry reference of a table: coroutines of ended tasks, kept for reuse */
  int spare_count;
  volatile uint64_t *on_cpu; /* the shared word of a worker, or NULL */
  lp_list parts;             /* what stands above the loop: part.h */
  lp_warning warning;

  /* Callbacks of whoever opened the runtime; each may be NULL. */
  void (*report)(struct lp_state *st, const char *text); /* an error that nobody sees */
  /* Whole lines that other processes wrote, for the host's stdout (1) or stderr (2). */
  void (*output)(struct lp_state *st, int fd, const char *text, size_t len);
  bool (*more)(struct lp_state *st); /* starts a further task; false: there is none */
  bool (*late)(struct lp_state *st); /* has the current task had its time? */
} lp_state;

/* The runtime of any of its coroutines. */
static inline lp_state *lp_state_of(lua_State *L) {
  _Static_assert(_Alignof(lp_state) >= 8, "the three lowest bits are free");
  return (lp_state *)(*(uintptr_t *)lua_getextraspace(L) & ~(uintptr_t)7);
}

/* Opens a runtime on `loop`, or on a loop of its own when that is NULL: a Lua state with the
 * standard libraries; then `open` (may be NULL) adds modules, and may raise. Returns 0,
 * LP_EMEMORY or a libuv error; then nothing is left to close. */
int lp_state_open(lp_state *st, uv_loop_t *loop, lua_CFunction open);

/* Cancels all tasks and gives them a moment to unwind, closes Lua, runs the loop until nothing
 * is open in it and gives all memory back. Safe on a zeroed struct, safe twice. */
void lp_state_close(lp_state *st);

#endif
