/* pool/pool.h: which worker gets which call, and what happens to the calls of one that dies.
 *
 * Every call ends exactly once, as done, failed, cancelled or lost; the sums are checked when
 * the pool has ended. Layer: pool. Process: main. Owner: the Lua object Pool, and each slot. */
#ifndef LP_POOL_POOL_H
#define LP_POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/loop/timer.h"
#include "runtime/pool/calls.h"
#include "runtime/pool/fleet.h"

/* `happened` is called once, when what it waits for has happened. */
typedef struct lp_pool_watch {
  lp_list link;
  void (*happened)(struct lp_pool_watch *w);
} lp_pool_watch;

typedef struct lp_pool_options {
  uint32_t processes, concurrency;
  uint32_t crash_retries; /* how often a call may kill its worker and still be run again */
  uint32_t max_tasks;   /* calls that a worker may be sent before it is replaced; 0: no limit */
  uint32_t max_pending; /* calls that may wait for a place, for who asks; 0: no limit */
  double task_timeout;  /* seconds; 0: none. Workers see to it; main to those that are stuck */
  bool round_robin;     /* in place of the least loaded worker */
} lp_pool_options;

typedef struct lp_slot lp_slot;

struct lp_pool {
  lp_fleet_pool member; /* of the fleet */
  lp_fleet *fleet;
  int holders;
  lp_pool_options options;
  lp_list members;   /* all slots that are not gone */
  uint32_t retiring; /* those of them that have a replacement */
  lp_slot **slots;   /* those that get work, by id; NULL: no worker there now */
  uint32_t wanted;   /* the worker that must run the next call, or 0 */
  uint32_t turn;     /* for round_robin: the slot after the latest one */
  lp_buf setup;      /* what each worker is told first */
  lp_buf objects;    /* and the numbers of objects in it, pinned */
  lp_calls calls;
  uint32_t alone;     /* workers for a single call, which has killed one before */
  uint32_t restarts;  /* workers that have died and were replaced */
  uint32_t snapshots; /* the number of the latest one */
  uint32_t users;     /* maps that may still submit */
  bool single;        /* of luapool.process: nobody takes the place of its one worker */
  bool closed;        /* no new work */
  bool killed;        /* and none of the old */
  bool ended;         /* no worker any more */
  lp_list ends;       /* who waits for the end of the pool, */
  lp_list starts;     /* and for a worker that is forked or has died */
  int early_deaths;   /* rounds of starting in which a worker died before it was ready */
  bool broken;        /* no worker can be had, because of: */
  lp_buf init_error;  /* values (error, traceback); or, when it is empty, */
  int start_error;    /* a code; or, when it is 0, `last` */
  lp_death last;      /* the latest */
  bool opened;        /* the handles below are */
  uv_timer_t hold;    /* keeps the loop alive while there is work that can be done */
  uint64_t resumes;   /* of the state, when `hold` fired last */
  lp_timer backoff;   /* until missing workers are started again */
  lp_timer grace;     /* until those that do not leave are killed */
  lp_timer watchdog;  /* looks for calls stuck where no timeout reaches them */
};

/* Makes a pool and starts its workers. `options` and `setup` are copied. NULL when memory or
 * descriptors are short; *error says why. */
lp_pool *lp_pool_open(lp_fleet *f, const lp_pool_options *options, const lp_buf *setup,
                      int *error);

/* Puts a call in line and sends what can be sent. The pool is a further holder of it until it
 * has ended. Returns 0, LP_EMEMORY, or LP_ECLOSED. */
int lp_pool_submit(lp_pool *pool, lp_call *call);

/* A snapshot for calls of this pool, with one holder; it holds the pool. Workers are told to
 * forget it when the last holder has gone. NULL for want of memory. */
lp_snapshot *lp_pool_snapshot(lp_pool *pool, const uint32_t *protos, uint32_t nprotos,
                              const char *bytes, size_t len);

/* Asks for the end of a call: it ends as cancelled, at once when it has not been sent, else
 * when its worker says so (it may also end otherwise before). */
void lp_pool_cancel(lp_call *call);

/* Sends pending calls to workers with a free place. */
void lp_pool_pump(lp_pool *pool);

/* Places of workers, for who wants to keep them busy. */
static inline uint64_t lp_pool_places(const lp_pool *pool) {
  return (uint64_t)pool->options.processes * pool->options.concurrency;
}

/* Takes no new work; workers leave when all calls have ended and all maps are through. */
void lp_pool_close(lp_pool *pool);

/* Cancels all calls; workers are told to leave and killed when they do not. */
void lp_pool_terminate(lp_pool *pool);

/* The same at once and by force: the state is being closed. */
void lp_pool_kill(lp_pool *pool);

/* A map begins, or is through. */
void lp_pool_enter(lp_pool *pool);
void lp_pool_leave(lp_pool *pool);

/* One holder less. */
void lp_pool_release(lp_pool *pool);

/* The slot gets no further work; a replacement is started, and it leaves when its calls have
 * ended. */
void lp_pool_retire(lp_pool *pool, lp_slot *slot);

/* A worker for a single call, which leaves after it, beside those that share an id. NULL when
 * none can be started now. */
lp_slot *lp_pool_start_alone(lp_pool *pool, uint32_t id);

/* Whether some worker of the pool may go on without a message of main; see stall.h. */
bool lp_pool_moves(const lp_pool *pool);

/* Asks all workers that may to say so once they cannot. */
void lp_pool_probe(lp_pool *pool);

/* Lets the pool keep the loop alive when it must, and only then. */
void lp_pool_hold(lp_pool *pool);

/* For slots. */
void lp_pool_emptied(lp_pool *pool, lp_slot *slot);
void lp_pool_lose(lp_pool *pool, lp_slot *slot);
void lp_pool_tell(lp_list *watches);
void lp_pool_break(lp_pool *pool, const char *values, size_t len);

#endif
