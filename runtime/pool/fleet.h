/* pool/fleet.h: all pools of a runtime and what they share: the forkserver and the bytecode of
 * sent prototypes. Layer: pool. Process: main. Owner: lp_state (made with the first pool,
 * closed with the state). */
#ifndef LP_POOL_FLEET_H
#define LP_POOL_FLEET_H

#include <lua.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/ipc/forkserver.h"
#include "runtime/pool/oom.h"

typedef struct lp_state lp_state;
typedef struct lp_slot lp_slot;

typedef struct lp_fleet {
  lp_state *st;
  lp_forkserver *forkserver; /* NULL before the first spawn, and after it has gone */
  lp_list pools;
  lp_list slots;   /* all workers that are not gone */
  uint32_t spawns; /* the id of the latest worker */
  lp_oom oom;
  lp_buf *protos; /* bytecode by number, copied out of Lua */
  uint32_t nprotos;
  lp_buf bytes, numbers, objects; /* for encoding, valid until the next time */
} lp_fleet;

/* The fleet of L's runtime, made when there is none. Raises for want of memory. */
lp_fleet *lp_fleet_of(lua_State *L);

/* Asks the forkserver for the slot's worker, starting a forkserver when there is none. Returns
 * 0 or a negative code. */
int lp_fleet_spawn(lp_fleet *f, const lp_spawn *spawn);

/* Sends a signal to the worker of a spawn, when it lives. */
void lp_fleet_kill(lp_fleet *f, uint32_t spawn_id, int signum);

/* Asks every worker for what its tasks wait for: it writes that to its stderr. */
void lp_fleet_dump(lp_state *st);

/* Sees to it that the bytecode of these prototypes is at hand. Raises for want of memory. */
void lp_fleet_learn(lua_State *L, lp_fleet *f, const uint32_t *numbers, uint32_t n);

#endif
