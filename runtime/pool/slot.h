/* pool/slot.h: one worker process as main sees it: its channel, its output, the calls that are
 * with it.
 *
 * A slot is one life of a worker; a replacement is a new slot under the same id. It is gone
 * when the process is reaped and all that it had sent is read; memory goes back when its
 * handles are closed. Layer: pool. Process: main. Owner: the pool. */
#ifndef LP_POOL_SLOT_H
#define LP_POOL_SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/ipc/channel.h"
#include "runtime/ipc/forkserver.h"
#include "runtime/loop/state.h"
#include "runtime/pool/calls.h"
#include "runtime/pool/fleet.h"
#include "runtime/pool/output.h"
#include "runtime/pool/protocol.h"

typedef struct lp_remote lp_remote;

typedef struct lp_slot lp_slot;

struct lp_slot {
  lp_fleet_worker worker;
  lp_list member; /* in pool->members */
  lp_pool *pool;
  lp_fleet *fleet;
  uint32_t id;    /* 1..processes */
  lp_death death; /* its pid (0 until it is forked), and how it ended */
  lp_channel channel;
  lp_output out, err;
  lp_flush flush;
  lp_load load;       /* calls sent to it and not answered */
  uint64_t said;      /* frames to it */
  uint64_t stalled;   /* how many it had received when it answered a probe last; or 0 */
  uint64_t probed_at; /* tasks that main had resumed when the worker was probed last */
  bool probed;        /* that probe has not been answered */
  uint32_t sent;      /* calls that it was sent and has not given back */
  bool ready;         /* it has said so */
  bool retiring;      /* a replacement has its place; it leaves when its calls have ended */
  bool asked;         /* to give back calls; no answer yet */
  bool stuck;         /* it was killed for a call that no timeout reached, */
  bool garbled;       /* or for having sent garbage */
  uint64_t seen;      /* what the watchdog saw on its CPU, */
  double since;       /* since when */
  lp_timer stopped;   /* until it is killed: it is stopped, or has hung up and does not end */
  bool frozen;        /* it is stopped by a signal: */
  bool doubted;       /* and was still so after two seconds */
  lp_shared *shared;  /* memory */
  bool alone;         /* it is there for one call, which has killed a worker before */
  bool leaving;       /* it was told to exit */
  bool killed;        /* main has sent it a KILL */
  bool exited;        /* reaped, or never forked */
  bool ended;         /* the channel has */
  bool gone;          /* the pool knows that it is dead */
  int open;           /* handles that are not closed */
  uint64_t done;      /* calls that it has answered */
  lp_buf knows;       /* one byte a prototype: has it been sent? */
  lp_buf has;         /* uint32_t numbers of snapshots that it holds */
  lp_remote *remote;  /* what it asks for; NULL before it does */
};

/* Makes a slot and asks for its worker. NULL when memory or descriptors are short; *error says
 * why. */
lp_slot *lp_slot_start(lp_pool *pool, uint32_t id, int *error);

/* Sends the call, and what the worker does not know yet of what it names. Returns 0 or
 * LP_EMEMORY. */
int lp_slot_send(lp_slot *slot, lp_call *call);

/* The worker may forget this snapshot. */
void lp_slot_forget(lp_slot *slot, uint32_t snapshot);

/* A message without a payload, or with a number. For want of memory the worker is killed. */
void lp_slot_say(lp_slot *slot, uint8_t type, const void *payload, size_t len);

/* The same with a payload in two parts. Returns 0, LP_EMEMORY or LP_ETOO_LARGE. */
int lp_slot_say_parts(lp_slot *slot, uint8_t type, const void *head, size_t head_len,
                      const void *bytes, size_t len);

/* Whether the worker may go on without a message of main, as far as main knows; see stall.h. */
bool lp_slot_moves(const lp_slot *slot);

/* Asks a worker that may to say so once only main can wake its tasks. One probe at a time: a
 * worker that computes for an hour is not sent more. */
void lp_slot_probe(lp_slot *slot);

/* Kills the worker. */
void lp_slot_kill(lp_slot *slot);

#endif
