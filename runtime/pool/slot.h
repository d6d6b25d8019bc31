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

/* The life of a worker, as main knows it. */
typedef enum {
  LP_SLOT_STARTING, /* asked for, and not set up */
  LP_SLOT_READY,    /* set up */
  LP_SLOT_LEAVING,  /* told to exit */
  LP_SLOT_GONE,     /* reaped, and all that it had sent is read */
} lp_slot_life;

/* What a worker is there for. */
typedef enum {
  LP_SLOT_WORKING,  /* it gets calls */
  LP_SLOT_RETIRING, /* a replacement has its place; it leaves when its calls have ended */
  LP_SLOT_ALONE, /* it gets one call, which has killed a worker before, and leaves after it */
} lp_slot_role;

/* What a slot reports. */
typedef struct lp_slot_events {
  /* It has been forked: its pid is known. */
  void (*started)(lp_slot *slot);
  /* It is set up. */
  void (*ready)(lp_slot *slot);
  /* It cannot be set up, because of the error in these values; it will end. */
  void (*broken)(lp_slot *slot, const char *values, size_t len);
  /* It gives back `n` calls (uint64_t numbers, not aligned) that it has not started. */
  void (*returned)(lp_slot *slot, const char *numbers, size_t n);
  /* It is above its memory limit and wants to be replaced. */
  void (*retire)(lp_slot *slot);
  /* It asks something of an object of main. Returns 0 or LP_EMEMORY: then it is killed. */
  int (*asked)(lp_slot *slot, const lp_frame *frame);
  /* All that was read at once has been reported. */
  void (*batch)(lp_slot *slot);
  /* Messages to it have left. */
  void (*flushed)(lp_slot *slot);
  /* The last of its calls has ended or gone elsewhere. */
  void (*emptied)(lp_slot *slot);
  /* It is gone; `life` is what it was before. Its calls, if any, are still with it. */
  void (*gone)(lp_slot *slot, lp_slot_life life);
  /* It has been made, though lp_slot_start may still fail: the context is to stay. */
  void (*opened)(void *owner);
  /* Its memory has gone back. */
  void (*closed)(void *owner);
} lp_slot_events;

/* What the slots of a pool have in common. */
typedef struct lp_slot_context {
  lp_fleet *fleet;
  lp_calls *calls;
  lp_buf setup;         /* what each worker is sent first */
  unsigned environment; /* of who has made the pool; held */
  const lp_slot_events *events;
  void *owner;
} lp_slot_context;

struct lp_slot {
  lp_fleet_worker worker;
  lp_list member; /* in crew->members */
  const lp_slot_context *context;
  lp_fleet *fleet;
  uint32_t id;    /* 1..processes */
  lp_death death; /* its pid (0 until it is forked), and how it ended */
  lp_slot_life life;
  lp_slot_role role;
  lp_death_cause blame; /* why main has killed it, or LP_DEATH_PLAIN */
  bool killed;          /* main has sent it a KILL */
  bool exited;          /* it has been reaped, or could not be forked */
  bool hung_up;         /* its channel has ended */
  bool frozen;          /* it is stopped by a signal */
  bool doubted;         /* it is killed when `deadline` fires once more */
  bool probed;          /* it was sent a probe and has not answered */
  bool recalled;        /* it was asked to give back calls and has not answered */
  lp_channel channel;
  lp_output out, err;
  lp_flush flush;
  lp_load load;       /* calls sent to it and not answered */
  uint32_t sent;      /* calls that it was sent and has not given back */
  uint64_t done;      /* calls that it has answered */
  uint64_t posted;    /* messages posted to it */
  uint64_t stalled;   /* how many it had received when it answered a probe last; or 0 */
  uint64_t probed_at; /* tasks that main had resumed when the worker was probed last */
  uint64_t seen;      /* the call that the watchdog saw on its CPU, */
  double since;       /* since when */
  lp_timer deadline;  /* armed when it is stopped, or has hung up and does not end */
  lp_shared *shared;  /* memory that it shares with main */
  int open;           /* handles that are not closed */
  lp_buf sent_protos; /* one byte a prototype: has it been sent? */
  lp_buf has;         /* uint32_t numbers of snapshots that it holds */
  lp_remote *remote;  /* of remote.c: what it asks for; NULL before it does */
};

/* Whether it may be sent something that it will do. */
static inline bool lp_slot_alive(const lp_slot *slot) {
  return slot->life <= LP_SLOT_READY && !slot->killed && !slot->exited && !slot->hung_up;
}

/* Makes a slot and asks for its worker. NULL when memory or descriptors are short; *error says
 * why. */
lp_slot *lp_slot_start(const lp_slot_context *context, uint32_t id, int *error);

/* Sends the call, and what the worker does not know yet of what it names. Returns 0 or
 * LP_EMEMORY. */
int lp_slot_send(lp_slot *slot, lp_call *call);

/* The worker may forget this snapshot. */
void lp_slot_forget(lp_slot *slot, uint32_t snapshot);

/* A message without a payload, or with a number. For want of memory the worker is killed. */
void lp_slot_post(lp_slot *slot, uint8_t type, const void *payload, size_t len);

/* The same with a payload in two parts. Returns 0, LP_EMEMORY or LP_ETOO_LARGE. */
int lp_slot_post_parts(lp_slot *slot, uint8_t type, const void *head, size_t head_len,
                       const void *bytes, size_t len);

/* Tells the worker to exit, once. */
void lp_slot_leave(lp_slot *slot);

/* Whether the worker may go on without a message of main, as far as main knows; see stall.h. */
bool lp_slot_moves(const lp_slot *slot);

/* Asks a worker that may to say so once only main can wake its tasks. One probe at a time: a
 * worker that computes for an hour is not sent more. */
void lp_slot_probe(lp_slot *slot);

/* Kills the worker. */
void lp_slot_kill(lp_slot *slot);

#endif
