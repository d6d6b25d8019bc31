/* pool/protocol.h: the messages between main and a worker: frame types and the fixed part of
 * each payload.
 *
 * Both are the same program on one machine, so structs travel as they lie in memory. Layer:
 * pool. */
#ifndef LP_POOL_PROTOCOL_H
#define LP_POOL_PROTOCOL_H

#include <stdint.h>

#include "runtime/ipc/prefetch.h"

enum {
  /* main to worker */
  LP_MSG_SETUP = 1, /* uint32_t: the bits of its environment, LP_ALLOW_...; values: settings,
                       init or nil, its arguments */
  LP_MSG_PROTO,     /* uint32_t number; bytecode */
  LP_MSG_SNAPSHOT,  /* uint32_t snapshot; values: the function */
  LP_MSG_DROP,      /* uint32_t snapshot: no task will name it again */
  LP_MSG_TASK, /* lp_task_head; values: the arguments, before them the function when it names no
                  snapshot */
  LP_MSG_CANCEL, /* uint64_t number of a task */
  LP_MSG_RECALL, /* uint32_t: give back up to so many tasks that are not started */
  LP_MSG_EXIT,   /* cancel what is left, then end */
  LP_MSG_DUMP,   /* write what every task waits for to stderr */
  LP_MSG_PROBE,  /* say so once nothing but main can wake a task here */
  LP_MSG_ANSWER, /* lp_answer_head; values: the results, or kind or nil, and message */
  LP_MSG_AHEAD,  /* lp_ahead_head; for each item uint32_t, the length of its values, then these
                  */

  /* worker to main */
  LP_MSG_READY,     /* set up */
  LP_MSG_BROKEN,    /* values: the error of setting up; the worker ends */
  LP_MSG_DONE,      /* uint64_t number; values: the results */
  LP_MSG_FAILED,    /* uint64_t number; values: error, traceback or nil */
  LP_MSG_RETURNED,  /* uint64_t numbers: what is given back, also when it is nothing */
  LP_MSG_RETIRE,    /* its memory_limit is passed: it wants to be replaced */
  LP_MSG_CANCELLED, /* the same */
  LP_MSG_ASK,       /* lp_ask_head; values: the name of a method, its arguments */
  LP_MSG_WITHDRAW,  /* uint64_t request: its task does not want to wait any more */
  LP_MSG_HOLD,      /* uint32_t object: there is a proxy of it */
  LP_MSG_LET_GO,    /* the same: and now there is one less */
  LP_MSG_TOOK,      /* uint64_t request: the objects in its answer are held now */
  LP_MSG_MOVED,   /* uint32_t lane: items of it were finished, or taken where main wants that */
  LP_MSG_ENDED,   /* uint32_t holder, uint32_t: 1 when it ended normally */
  LP_MSG_STALLED, /* uint64_t: frames received when nothing but main could wake a task */
};

/* How many queues can be prefetched from in a worker at the same time: each has a lane. */
enum { LP_LANES = 64 };

/* The memory that main shares with a worker; only the worker writes it, but for the lanes. It
 * outlives the worker. */
typedef struct lp_shared {
  volatile uint64_t on_cpu;  /* the number of the task that runs now, or 0 */
  volatile uint64_t taken;   /* of the latest answer (lp_answer_head) that its task has */
  volatile uint64_t started; /* calls are started in the order in which they came: the place of
                                the latest one, from 1 */
  lp_prefetch lanes[LP_LANES];
} lp_shared;

/* A method of an object that stays with main. Every ask is answered once, but for those whose
 * request is 0: nobody waits for their results. */
typedef struct lp_ask_head {
  uint64_t request; /* the worker's own, or 0 */
  uint32_t object;
  uint32_t holder; /* number of the task that asks, for those who hold things; or 0 */
} lp_ask_head;

enum { LP_ANSWER_OK, LP_ANSWER_ERROR, LP_ANSWER_WITHDRAWN };

typedef struct lp_answer_head {
  uint64_t request;
  uint64_t taken;   /* what goes into lp_shared once the task has the answer; 0: nothing */
  uint32_t status;  /* LP_ANSWER_... */
  uint32_t objects; /* how many references are in it: when there are, LP_MSG_TOOK comes back */
} lp_answer_head;

/* Items of a queue that nobody has asked for yet. Main sends some only when those that it had
 * sent in this lane before have all been taken. */
typedef struct lp_ahead_head {
  uint32_t lane;
  uint32_t object; /* the queue */
  uint32_t first;  /* the number of the first item */
  uint32_t count;
  uint32_t wanted; /* LP_MSG_MOVED when an item is taken: there is room in the queue then */
} lp_ahead_head;

typedef struct lp_task_head {
  uint64_t number;
  uint32_t snapshot; /* 0: none */
  uint32_t attempt;  /* counts runs of this task from 1 */
} lp_task_head;

#endif
