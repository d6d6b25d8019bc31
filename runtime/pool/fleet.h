/* pool/fleet.h: what all pools of a runtime share: the forkserver and the bytecode of sent
 * prototypes. Pools and workers register here and are called back. Layer: pool. Process: main.
 * Owner: the runtime, of which it is a part. */
#ifndef LP_POOL_FLEET_H
#define LP_POOL_FLEET_H

#include <lua.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/ipc/forkserver.h"
#include "runtime/loop/part.h"
#include "runtime/pool/oom.h"

/* A worker as the forkserver knows it. The slot embeds it. */
typedef struct lp_fleet_worker {
  lp_list link; /* in fleet->workers */
  uint32_t id;  /* unique in the fleet */
  const struct lp_fleet_events *events;
} lp_fleet_worker;

typedef struct lp_fleet_events {
  /* It has been forked. */
  void (*started)(lp_fleet_worker *w, pid_t pid);
  /* It has been reaped, or could not be forked. `cause` is what the kernel tells of it. */
  void (*exited)(lp_fleet_worker *w, const lp_forkserver_end *end, lp_death_cause cause);
  /* It was stopped by a signal, or goes on. */
  void (*frozen)(lp_fleet_worker *w, bool frozen);
  /* The runtime is being closed and all workers are dead: what is unread is lost. */
  void (*dropped)(lp_fleet_worker *w);
} lp_fleet_events;

/* A pool as its runtime knows it. The pool embeds it. */
typedef struct lp_fleet_pool {
  lp_list link;                          /* in fleet->pools */
  void (*stop)(struct lp_fleet_pool *p); /* the runtime begins to close: cancel everything */
  void (*kill)(struct lp_fleet_pool *p); /* end it by force */
} lp_fleet_pool;

typedef struct lp_fleet {
  lp_part part;
  lp_state *st;
  lp_forkserver *forkserver; /* NULL before the first spawn, and after it has gone */
  int handle;                /* of a forkserver that the host has forked, or of none */
  lp_list pools;             /* of lp_fleet_pool */
  lp_list workers;           /* of lp_fleet_worker: those that are not gone */
  uint32_t spawns;           /* the id of the latest worker */
  uint64_t doubted; /* tasks that main had resumed when its loop had nothing to wait for and
                       some worker did not stand still; see stall.h */
  lp_oom oom;
  lp_buf *protos; /* bytecode by number, copied out of Lua */
  uint32_t nprotos;
  lp_buf bytes, numbers, objects; /* for encoding, valid until the next time */
  char program[];                 /* what another forkserver is started from */
} lp_fleet;

/* Gives main's runtime a fleet. `handle` is one of lp_forkproc_fork, which stays the host's, or
 * none; `program` is what a forkserver is started from otherwise, NULL: "luapool" in the PATH.
 * Returns 0 or LP_EMEMORY. */
int lp_fleet_open(lp_state *st, int handle, const char *program);

/* The fleet of a runtime, or NULL: a worker has none. */
lp_fleet *lp_fleet_find(const lp_state *st);

/* Asks the forkserver for a worker, starting a forkserver when there is none. Gives the worker
 * its id and, on success, registers it. Returns 0 or a negative code. */
int lp_fleet_spawn(lp_fleet *f, lp_fleet_worker *w, lp_spawn *spawn);

/* Lets a forkserver that somebody has stopped go on. */
void lp_fleet_wake(lp_fleet *f);

/* Sends a signal to a worker, when it lives. */
void lp_fleet_kill(lp_fleet *f, const lp_fleet_worker *w, int signum);

/* Sees to it that the bytecode of these prototypes is at hand. Raises for want of memory. */
void lp_fleet_learn(lua_State *L, lp_fleet *f, const uint32_t *numbers, uint32_t n);

#endif
