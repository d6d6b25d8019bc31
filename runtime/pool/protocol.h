/* pool/protocol.h: what main and a worker say to each other: frame types and the fixed part of
 * each payload.
 *
 * Both are the same program on one machine, so structs travel as they lie in memory. Layer:
 * pool. */
#ifndef LP_POOL_PROTOCOL_H
#define LP_POOL_PROTOCOL_H

#include <stdint.h>

enum {
  /* main to worker */
  LP_SAY_SETUP = 1, /* values: settings, init or nil, its arguments */
  LP_SAY_PROTO,     /* uint32_t number; bytecode */
  LP_SAY_SNAPSHOT,  /* uint32_t snapshot; values: the function */
  LP_SAY_DROP,      /* uint32_t snapshot: no task will name it again */
  LP_SAY_TASK, /* lp_task_head; values: the arguments, before them the function when it names no
                  snapshot */
  LP_SAY_CANCEL, /* uint64_t number of a task */
  LP_SAY_RECALL, /* uint32_t: give back up to so many tasks that are not started */
  LP_SAY_EXIT,   /* cancel what is left, then end */

  /* worker to main */
  LP_SAY_READY,     /* set up */
  LP_SAY_BROKEN,    /* values: the error of setting up; the worker ends */
  LP_SAY_DONE,      /* uint64_t number; values: the results */
  LP_SAY_FAILED,    /* uint64_t number; values: error, traceback or nil */
  LP_SAY_RETURNED,  /* uint64_t numbers: what is given back, also when it is nothing */
  LP_SAY_RETIRE,    /* its memory_limit is passed: it wants to be replaced */
  LP_SAY_CANCELLED, /* the same */
};

typedef struct lp_task_head {
  uint64_t number;
  uint32_t snapshot; /* 0: none */
  uint32_t attempt;  /* counts runs of this task from 1 */
} lp_task_head;

#endif
