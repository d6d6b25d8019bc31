/* loop/state.h: a runtime: one Lua state on one libuv loop, and its tasks.
 *
 * Every lua_State of the runtime (the main thread and all coroutines) holds the address of the
 * lp_state in its extra space. The three lowest bits of that word are flags of coroutine.c. The
 * lowest one is set while the coroutine is suspended by a wait or by a time slice, and not by
 * coroutine.yield: then it belongs to its task, and nobody else may resume it. In a state of
 * the host, too, the extra space is luapool's while the runtime is open. Layer: loop. Owner:
 * luapool.c or worker.c, which embed the struct, open and close it. */
#ifndef LP_LOOP_STATE_H
#define LP_LOOP_STATE_H

#include <lua.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "runtime/base/heap.h"
#include "runtime/base/list.h"
#include "runtime/loop/anchor.h"
#include "runtime/loop/bridge.h"
#include "runtime/loop/ceiling.h"
#include "runtime/loop/collect.h"
#include "runtime/loop/depth.h"
#include "runtime/loop/interrupt.h"
#include "runtime/loop/limits.h"
#include "runtime/loop/mailbox.h"
#include "runtime/loop/text.h"
#include "runtime/loop/timer.h"
#include "runtime/loop/trust.h"
#include "runtime/loop/warning.h"

typedef struct lp_task lp_task;
typedef struct lp_state lp_state;
typedef struct lp_environment lp_environment;

/* Why the running coroutine is being suspended. Each level that it yields through looks at it.
 */
typedef enum { LP_YIELD_PLAIN, LP_YIELD_WAIT, LP_YIELD_SLICE, LP_YIELD_AGAIN } lp_yield;

/* A function that lp_loop_flush has called once, after tasks have run and before the loop
 * polls: a channel writes there what many tasks have posted. Whoever wants it embeds the
 * struct. */
typedef struct lp_flush {
  lp_list link; /* in lp_state.flushes when it has been asked for, else in no list */
  void (*run)(struct lp_flush *f);
} lp_flush;

/* How a runtime is opened. A zeroed struct is right: each field then has its default. */
typedef struct lp_state_options {
  /* A loop of the host that is to turn the runtime's own, or NULL. */
  uv_loop_t *loop;
  /* The main thread of a Lua state of the host to which it attaches, or NULL: a state of its
   * own. None of its globals is changed, and it keeps its allocator. */
  lua_State *L;
  /* The allocator of the runtime's own state, as lua_Alloc, or NULL: pages of base/heap.h. */
  lp_heap_source *alloc;
  /* It adds modules to the state when all else is in place, and may raise. It may be NULL. */
  lua_CFunction modules;
  /* Microseconds of the clock on which all timers stand, or NULL: the monotonic clock. */
  int64_t (*clock)(void *user);
  /* The first argument of `alloc` and `clock`. */
  void *user;
  /* Of math.random, and of the order in which `pairs` visits tables whose keys are strings. 0:
   * another one each time. */
  uint64_t seed;
  /* Microseconds for which lp_state_close lets tasks unwind; 0: LP_GRACE_CLOSE. */
  int64_t close_us;
} lp_state_options;

struct lp_state { /* NOLINT(clang-analyzer-optin.performance.Padding): ordered by use */
  /* The allocator of the Lua state. */
  lp_heap heap;
  /* The main thread of the Lua state. It is never suspended: C code sets things up with it. */
  lua_State *L;
  /* The Lua state is the host's. */
  bool attached;
  /* What the host had in the extra space of that main thread. */
  uintptr_t extra;
  /* How many objects it has made there: see object.h. */
  uint64_t objects;
  /* In an object that tells when the Lua state is closed under the runtime; NULL once the
   * runtime has left a state of the host. */
  lp_state **witness;
  /* The loop that the runtime stands on: own_loop, or NULL when it is closed. */
  uv_loop_t *loop;
  uv_loop_t own_loop;
  /* It lets the loop of the host turn that one; NULL without one. */
  lp_bridge *bridge;
  /* The clock of the host, in microseconds, and its argument; NULL: the monotonic one. */
  int64_t (*host_clock)(void *user);
  void *user;
  /* Microseconds for which lp_state_close lets tasks unwind. */
  int64_t close_us;

  /* ---- whose turn it is: loop.c ---- */

  /* Tasks that the loop will resume, in this order. */
  lp_list ready;
  /* Tasks that have used up a slice, and tasks that had not started by then. The loop resumes
   * them when no task is ready. */
  lp_list preempted;
  /* What lp_loop_flush was asked to run. */
  lp_list flushes;
  /* The deadlines of all waits and of whoever called lp_loop_after. */
  lp_timers timers;
  /* libuv calls its callback before each poll: it runs the ready tasks. */
  uv_prepare_t prepare;
  /* It is active while there is something to do, so that the poll does not block. */
  uv_idle_t spin;
  /* It fires at the first of `timers`. */
  uv_timer_t clock;
  /* `ready` may hold tasks that have not started. */
  bool fresh;
  /* Tasks have run for a slice, so the loop has to poll. The signal handler may set it. */
  volatile bool overdue;
  /* A step goes on, until this time of uv_hrtime. */
  bool stepping;
  uint64_t step_end;
  /* In a step: when the flushes or the poll of this turn have had their time, and whether they
   * have left something to the next turn. */
  uint64_t io_end;
  bool io_left;
  /* Nanoseconds of the last step: CPU of all of it, CPU of the collector's share, and the
   * longest time that one task had. */
  int64_t step_ns, share_ns, longest_ns;
  /* How many calls there are on the C stack that run timers, tasks and the like. */
  int inside;
  /* Whoever drives the runtime is to come back soon. */
  atomic_bool interrupted;
  /* How other threads reach the runtime. */
  lp_mailbox *mailbox;
  lp_collect collect;
  lp_ceiling ceiling;
  /* Ready tasks have taken a whole slice for themselves, so the next turn begins with one of
   * `preempted`. */
  bool owed;

  /* ---- the task that runs: task.c, coroutine.c ---- */

  /* The task that runs now, or NULL. */
  lp_task *current;
  /* The innermost coroutine of that task that runs, or NULL. The signal handler reads it. */
  lua_State *volatile running;
  /* It counts how often tasks were resumed, which tells the signal handler whether the same one
   * still runs. */
  volatile uint64_t resumes;
  /* Why the running coroutine is being suspended. */
  lp_yield yielding;
  /* The innermost resumer that cannot be suspended, or NULL. */
  lua_State *blocked;
  /* The C function of task.shield, through which waits pass. */
  lua_CFunction shield;
  /* The coroutine that runs user code under a guard, or NULL: guard.h. */
  lua_State *guard_co;
  /* What scripts may use. */
  lp_limits limits;
  lp_interrupt interrupt;
  lp_trust trust;
  lp_depth depth;

  /* ---- all tasks: task.c, task_spawn.c ---- */

  /* The number of the latest task. */
  uint64_t numbers;
  /* The address of the metatable of Task objects. */
  const void *task_class;
  /* The Task objects of live and of idle tasks. */
  lp_anchors anchors;
  /* How many those are. */
  size_t anchored;
  /* A task more than limits.tasks was wanted, and none has been made since. */
  bool crowded;
  /* Ended tasks that are kept, with their coroutines, to be used again. */
  lp_list idle;
  int idle_count;
  /* Registry reference of a list of coroutines of ended tasks, kept to be used again. */
  int spares;
  int spare_count;
  /* Where the number of the running task is written for other processes to see, or NULL. */
  volatile uint64_t *on_cpu;
  lp_warning warning;
  lp_text_files files;

  /* ---- environments: environment.c ---- */

  /* Those with the numbers from 1 on, and how many have room there. */
  lp_environment *environments;
  unsigned environment_count;
  /* The number of the one in which scripts run now: that of the current task, else `shared`. */
  uint16_t environment;
  /* The number of the one in which scripts run that the host gives no other. */
  uint16_t shared;

  /* ---- what scripts may do to the outside: allow.c ---- */

  /* Something may be refused: bits lack in some environment, or the host is asked. */
  bool guarded;
  /* What every environment may do at most: bits LP_ALLOW_*. */
  unsigned allowed;
  /* Asked for each subject; returns 0 to refuse. May be NULL. */
  int (*allow)(struct lp_state *st, unsigned what, const char *subject);

  /* ---- above the loop ---- */

  /* What stands above the loop and is called back when the runtime closes: see part.h. */
  lp_list parts;
  /* The owner's callbacks follow; each may be NULL. `text` gets what the runtime has to say:
   * see text.h. */
  void (*text)(struct lp_state *st, int kind, const char *bytes, size_t len);
  /* `more` is called when no task is ready: it makes a further one and returns true, or returns
   * false. */
  bool (*more)(struct lp_state *st);
  /* `late` tells, at the end of a slice in which the current task could not be suspended,
   * whether that task has had its time. */
  bool (*late)(struct lp_state *st);
  /* `limit` is told, once for each break, that a task has broken one of `limits`: LP_EBUDGET or
   * LP_ETASKS, and the traceback. `task` is NULL outside of tasks. It may run in the middle of
   * Lua code, and calls none. */
  void (*limit)(struct lp_state *st, int code, lp_task *task, const char *traceback);
};

/* How many runtimes of this process have been attached to states of hosts. */
extern atomic_int lp_state_attached;

/* The same as lp_state_of, when some runtime has been attached. Raises when this state's
 * runtime was closed. */
lp_state *lp_state_find(lua_State *L);

/* False in a state of the host whose runtime was closed. */
bool lp_state_is_open(lua_State *L);

/* The runtime that a coroutine, or the main thread, belongs to. In a state of the host there
 * may be coroutines that are older than the runtime and have anything in their extra space, so
 * it is looked up in the registry there. */
static inline lp_state *lp_state_of(lua_State *L) {
  _Static_assert(_Alignof(lp_state) >= 8, "the three lowest bits are free");
  if (atomic_load_explicit(&lp_state_attached, memory_order_relaxed)) return lp_state_find(L);
  return (lp_state *)(*(uintptr_t *)lua_getextraspace(L) & ~(uintptr_t)7);
}

/* Opens a runtime: a Lua state with the standard libraries, or one of the host, on a loop; then
 * `modules` adds to it. Returns 0, LP_EMEMORY, a libuv error, or -ENOTSUP for a seed on a Lua
 * that it does not know; then nothing is left to close. */
int lp_state_open(lp_state *st, const lp_state_options *options);

/* Cancels all tasks and gives them a moment to unwind, closes Lua, runs the loop until nothing
 * is open in it and gives all memory back. Returns 0, or LP_EINSIDE when this runtime has
 * called the caller: then nothing has happened. Safe on a zeroed struct, safe twice. */
int lp_state_close(lp_state *st);

#endif
