/* pool/fleet.h: all pools of a runtime and what they share: the forkserver and the bytecode of
 * sent prototypes. Layer: pool. Process: main. Owner: the runtime, of
 * which it is a part. */
#ifndef LP_POOL_FLEET_H
#define LP_POOL_FLEET_H

#include <lua.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/ipc/forkserver.h"
#include "runtime/loop/part.h"
#include "runtime/pool/oom.h"

typedef struct lp_slot lp_slot;

typedef struct lp_fleet {
  lp_part part;
  lp_state *st;
  lp_forkserver *forkserver; /* NULL before the first spawn, and after it has gone */
  int given_socket;          /* of a forkserver that the program has forked, */
  pid_t given_pid;           /* until the first spawn takes it over; or 0 */
  const char *program;       /* what to start another one with */
  lp_list pools;
  lp_list slots;    /* all workers that are not gone */
  uint32_t spawns;  /* the id of the latest worker */
  uint64_t doubted; /* tasks that main had resumed when its loop had nothing to wait for and
                       some worker did not stand still; see stall.h */
  lp_oom oom;
  lp_buf *protos; /* bytecode by number, copied out of Lua */
  uint32_t nprotos;
  lp_buf bytes, numbers, objects; /* for encoding, valid until the next time */
} lp_fleet;

/* Gives main's runtime a fleet. `pid` is a forkserver that was forked by the program, with its
 * control socket, or 0; `program` is what another one is started with, NULL: "luapool" in the
 * PATH. Both are taken over. Returns 0 or LP_EMEMORY. */
int lp_fleet_open(lp_state *st, int socket, pid_t pid, const char *program);

/* The fleet of a runtime, or NULL: a worker has none. */
lp_fleet *lp_fleet_find(const lp_state *st);

/* Asks the forkserver for the slot's worker, starting a forkserver when there is none. Returns
 * 0 or a negative code. */
int lp_fleet_spawn(lp_fleet *f, const lp_spawn *spawn);

/* Lets a forkserver that somebody has stopped go on. */
void lp_fleet_wake(lp_fleet *f);

/* Sends a signal to the worker of a spawn, when it lives. */
void lp_fleet_kill(lp_fleet *f, uint32_t spawn_id, int signum);

/* Asks every worker for what its tasks wait for: it writes that to its stderr. */
void lp_fleet_dump(lp_state *st);

/* Sees to it that the bytecode of these prototypes is at hand. Raises for want of memory. */
void lp_fleet_learn(lua_State *L, lp_fleet *f, const uint32_t *numbers, uint32_t n);

#endif
