/* pool/pool.h: the life of a pool: its calls, its workers, and what becomes of the calls of a
 * worker that dies.
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
#include "runtime/pool/crew.h"
#include "runtime/pool/fleet.h"

/* `happened` is called once, when what it waits for has happened. */
typedef struct lp_pool_watch {
  lp_list link;
  void (*happened)(struct lp_pool_watch *w);
} lp_pool_watch;

typedef enum {
  LP_POOL_OPEN,
  LP_POOL_CLOSED,     /* it takes no new work; what was begun goes on */
  LP_POOL_TERMINATED, /* everything is cancelled, workers leave or are killed */
  LP_POOL_ENDED,      /* it has no worker any more, and its handles are closed */
} lp_pool_life;

struct lp_pool {
  lp_fleet_pool member; /* of the fleet */
  lp_fleet *fleet;
  int holders;
  lp_pool_life life;
  bool broken;       /* no worker can be had; `init_error` or the crew says why */
  lp_buf init_error; /* values (error, traceback) of an init that has failed, or nothing */
  lp_crew crew;
  lp_calls calls;
  lp_buf objects;     /* numbers of objects in the setup of workers, pinned */
  uint32_t wanted;    /* the worker that must run the next call, or 0 */
  uint32_t snapshots; /* the number of the latest one */
  uint32_t users;     /* maps that may still submit */
  lp_list ends;       /* watches: for the end of the pool, */
  lp_list starts;     /* and for a worker that is forked or has died */
  uv_timer_t hold;    /* keeps the loop alive while there is work that can be done */
  uint64_t resumes;   /* of the state, when `hold` fired last */
  lp_timer grace;     /* until those that do not leave are killed */
  lp_timer watchdog;  /* looks for calls stuck where no timeout reaches them */
};

/* Makes a pool and starts its workers. `options` and `setup` are copied. NULL when memory or
 * descriptors are short; *error says why. */
lp_pool *lp_pool_open(lp_fleet *f, const lp_crew_options *options, const lp_buf *setup,
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

/* Places of workers, for who wants to keep them busy. */
static inline uint64_t lp_pool_places(const lp_pool *pool) {
  return (uint64_t)pool->crew.options.processes * pool->crew.options.concurrency;
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

/* One holder less. With the last one the memory goes back. */
void lp_pool_release(lp_pool *pool);

/* Lets the pool keep the loop alive when it must, and only then. */
void lp_pool_hold(lp_pool *pool);

#endif
