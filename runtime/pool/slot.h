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
#include "runtime/loop/state.h"
#include "runtime/pool/call.h"
#include "runtime/pool/output.h"

struct lp_slot {
  lp_list all; /* in fleet->slots */
  lp_pool *pool;
  uint32_t id;       /* 1..processes */
  uint32_t spawn_id; /* for the forkserver */
  pid_t pid;         /* 0 until it is forked */
  lp_channel channel;
  lp_output out, err;
  lp_flush flush;
  lp_list calls; /* sent to it and not answered */
  uint32_t load; /* their number */
  bool ready;    /* it has said so */
  bool reserved; /* a call runs alone in it */
  bool leaving;  /* it was told to exit */
  bool exited;   /* reaped: */
  int status;    /* as from waitpid, or -1 when it could not be forked: */
  int error;     /* the errno, negative */
  bool ended;    /* the channel has */
  bool gone;     /* the pool knows that it is dead */
  int open;      /* handles that are not closed */
  uint64_t done; /* calls that it has answered */
  lp_buf knows;  /* one byte a prototype: has it been sent? */
  lp_buf has;    /* uint32_t numbers of snapshots that it holds */
};

/* Makes a slot and asks for its worker. NULL when memory or descriptors are short; *error says
 * why. */
lp_slot *lp_slot_start(lp_pool *pool, uint32_t id, int *error);

/* Sends the call, and what the worker does not know yet of what it names. Returns 0 or
 * LP_EMEMORY. */
int lp_slot_send(lp_slot *slot, lp_call *call);

/* The worker may forget this snapshot. */
void lp_slot_forget(lp_slot *slot, uint32_t snapshot);

/* A message without a payload, or with a number. */
void lp_slot_say(lp_slot *slot, uint8_t type, const void *payload, size_t len);

/* The forkserver has reaped it, or could not fork it. */
void lp_slot_exited(lp_slot *slot, int status, int error);

/* It is as good as dead, whatever is still unread: the state is being closed. */
void lp_slot_drop(lp_slot *slot);

#endif
