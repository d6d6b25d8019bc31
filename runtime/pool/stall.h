/* pool/stall.h: can only main wake any task of its workers?
 *
 * A report of a deadlock is a promise. luapool_run makes it only when
 * - the main task waits, and the loop of main has nothing to wait for: no timer, no transfer,
 * no child, no pool that is about to start a worker;
 * - since main has resumed its last task, every worker of every pool has been sent a probe, and
 *   has answered it. A worker answers when its own loop has nothing to wait for, it has started
 *   all calls that it has, and it is not leaving. The answer comes after all that the worker
 * has sent before, and main has acted on all of it;
 * - main has sent no message to that worker since the probe;
 * - main does not know the worker to be stopped, to be leaving, to have been killed or to have
 *   hung up: each of these becomes a death, and calls that run again.
 * So what happens to a worker before its answer is never missed: one that is dead or stopped
 * does not answer. What somebody outside does to it afterwards cannot be foreseen.
 *
 * Workers are probed when main has resumed no task for a second; a pool all of whose workers
 * have answered does not keep the loop alive any longer. The last look is lp_stall_sure. Layer:
 * pool. Process: main. */
#ifndef LP_POOL_STALL_H
#define LP_POOL_STALL_H

#include <stdbool.h>

typedef struct lp_state lp_state;

/* The loop has nothing to wait for: whether that is a deadlock. When it is not yet certain, the
 * workers in doubt are probed and their pools keep the loop alive until main resumes a task. */
bool lp_stall_sure(lp_state *st);

/* Has all workers with something to do write what their tasks wait for to stderr. */
void lp_stall_show(lp_state *st);

/* The same, all workers. */
void lp_stall_show_all(lp_state *st);

#endif
