/* pool/crew.h: the workers of a pool: started, replaced when they die or retire, told to leave.
 *
 * For each id 1..processes there is one worker that gets calls, or none while it is being
 * replaced; beside it one that is leaving, at most, and those that are there for a single call.
 * Layer: pool. Process: main. Owner: the pool, which embeds it. */
#ifndef LP_POOL_CREW_H
#define LP_POOL_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/loop/timer.h"
#include "runtime/pool/slot.h"

typedef struct lp_crew_options {
  uint32_t processes, concurrency;
  uint32_t crash_retries; /* how often a call may kill its worker and still be run again */
  uint32_t max_tasks;   /* calls that a worker may be sent before it is replaced; 0: no limit */
  uint32_t max_pending; /* calls that may wait for a place, for who asks; 0: no limit */
  double task_timeout;  /* seconds; 0: none. Workers see to it; main to those that are stuck */
  bool round_robin;     /* in place of the least loaded worker */
} lp_crew_options;

typedef struct lp_crew {
  lp_crew_options options;
  lp_slot_context context;
  lp_list members;   /* all slots that are not gone */
  lp_slot **slots;   /* those that get calls, by id; NULL: no worker there now */
  uint32_t retiring; /* members that have a replacement */
  uint32_t alone;    /* members that are there for a single call */
  uint32_t restarts; /* workers that have died and were replaced */
  uint32_t turn;     /* for round_robin: the slot after the latest one */
  bool single;       /* of luapool.process: nobody takes the place of its one worker */
  bool closed;       /* no worker is started any more */
  int early_deaths;  /* rounds of starting in which a worker died before it was ready */
  int start_error;   /* why a worker could not be started, a code; or, when it is 0, `last` */
  lp_death last;     /* the latest */
  lp_timer backoff;  /* until missing workers are started again */

  /* Called when missing workers have been started again after a while. */
  void (*restarted)(struct lp_crew *crew);

  /* Called once, when no worker can be had: start_error or `last` says why. */
  void (*gave_up)(struct lp_crew *crew);
} lp_crew;

/* Copies `options` and `setup`; the other fields of `context` and the callbacks are set by the
 * owner. Returns 0 or LP_EMEMORY. */
int lp_crew_open(lp_crew *crew, const lp_crew_options *options, const lp_buf *setup);

/* Starts no worker any more. */
void lp_crew_stop(lp_crew *crew);

/* Frees what it holds. All slots are closed. */
void lp_crew_close(lp_crew *crew);

/* Starts the workers that are missing. */
void lp_crew_fill(lp_crew *crew);

/* Starts a worker for a single call, which leaves after it. NULL when none can be started now.
 */
lp_slot *lp_crew_start_alone(lp_crew *crew, uint32_t id);

/* The slot gets no further call; a replacement is started, and it leaves when its calls have
 * ended. */
void lp_crew_retire(lp_crew *crew, lp_slot *slot);

/* The slot is gone: takes it out. Returns whether it was one that gets calls. */
bool lp_crew_remove(lp_crew *crew, lp_slot *slot);

/* Sees to a replacement for a slot that was taken out. `life` is what it was before it was
 * gone, `active` what lp_crew_remove has returned; `work`: the pool may still need workers. */
void lp_crew_replace(lp_crew *crew, const lp_slot *slot, lp_slot_life life, bool active,
                     bool work);

/* Whether some worker may go on without a message of main; see stall.h. */
bool lp_crew_moves(const lp_crew *crew);

/* Asks all workers that may to say so once they cannot. */
void lp_crew_probe(lp_crew *crew);

/* Tells all workers to exit. */
void lp_crew_leave(lp_crew *crew);

/* Kills all workers. */
void lp_crew_kill(lp_crew *crew);

/* Kills those whose call has been on the CPU for longer than `seconds`, as far as these calls
 * have seen it. Returns whether there was one. */
bool lp_crew_kill_stuck(lp_crew *crew, double seconds);

#endif
