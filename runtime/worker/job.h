/* worker/job.h: a call as its worker sees it: decoded, run as a task, answered. Layer: worker.
 * Process: worker. */
#ifndef LP_WORKER_JOB_H
#define LP_WORKER_JOB_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/ipc/frame.h"
#include "runtime/loop/state.h"
#include "runtime/pool/protocol.h"

/* A function that calls name. Decoded by the first job that runs it. */
typedef struct lp_function {
  lp_list link;
  uint32_t number;
  int function, graph; /* registry references; LUA_NOREF before it is decoded */
  size_t len;
  char bytes[];
} lp_function;

/* The bytecode of a prototype, kept until a task can give it to Lua. */
typedef struct lp_proto {
  lp_list link;
  uint32_t number;
  size_t len;
  char bytes[];
} lp_proto;

/* What the jobs of a worker share. */
typedef struct lp_jobs {
  lp_state *st;
  lp_list waiting, running; /* jobs */
  lp_list functions, protos;
  lp_buf scratch;
  double timeout;             /* seconds that a task may take; 0: no limit */
  uint64_t turns;             /* jobs that have come */
  volatile uint64_t *started; /* the shared word: the turn of the latest one that was started */
  /* Sends an answer: type, number of the job, values. */
  void (*answer)(struct lp_jobs *jobs, uint8_t type, uint64_t number, const char *values,
                 size_t len);
} lp_jobs;

typedef struct lp_job {
  lp_list link; /* in waiting or running */
  lp_jobs *jobs;
  lp_task_head head;
  uint64_t turn;
  lp_task *task;
  lp_timer timer; /* its timeout; once cancelled, until it is closed by force */
  bool cancelled; /* main wants it to end */
  int graph;      /* registry reference: the graph of a function of its own, or LUA_NOREF */
  size_t len;
  char bytes[];
} lp_job;

void lp_job_open(lp_jobs *jobs, lp_state *st);

/* Frames: copied. Return 0 or LP_EMEMORY. */
int lp_job_add(lp_jobs *jobs, const lp_frame *frame);
int lp_job_add_proto(lp_jobs *jobs, const lp_frame *frame);
int lp_job_add_function(lp_jobs *jobs, const lp_frame *frame);

/* The function is not needed any more. */
void lp_job_drop_function(lp_jobs *jobs, uint32_t number);

/* Starts the first waiting job. Returns false when there is none. */
bool lp_job_start(lp_jobs *jobs);

/* Forgets the waiting job that came last and returns its number, or 0. */
uint64_t lp_job_give_back(lp_jobs *jobs);

/* Is the current task a job that has had its time? Then it is told, in place of its timer: the
 * loop may not turn again before it ends. */
bool lp_job_late(lp_state *st);

void lp_job_cancel(lp_jobs *jobs, uint64_t number);
void lp_job_cancel_all(lp_jobs *jobs);

/* Encodes the error on top of `co` and its traceback into jobs->scratch. Never raises; the
 * scratch is empty for want of memory. */
void lp_job_encode_error(lp_jobs *jobs, lp_task *t, lua_State *co, int graph);

/* Gives Lua the prototypes that have come. Raises for want of memory. */
void lp_job_learn(lua_State *L, lp_jobs *jobs);

/* Frees what is left. The Lua state is closed by then. */
void lp_job_close(lp_jobs *jobs);

#endif
