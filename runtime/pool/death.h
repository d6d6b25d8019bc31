/* pool/death.h: how a worker ended, and whose doing it was, for the error of the task that it
 * took along. Layer: pool. Process: main. Owner: the slot, then the pool (its latest), and a
 * copy each call that died. */
#ifndef LP_POOL_DEATH_H
#define LP_POOL_DEATH_H

#include <stdint.h>
#include <sys/types.h>

/* What main knows beyond the status. */
typedef enum {
  LP_DEATH_PLAIN,
  LP_DEATH_GROUP_MEMORY,  /* the memory limit of its control group */
  LP_DEATH_SYSTEM_MEMORY, /* the machine was out of memory */
  LP_DEATH_FROZEN,        /* it stayed stopped, so main had it killed */
  LP_DEATH_STUCK,         /* main had it killed for a task past its task_timeout */
  LP_DEATH_ORPHAN,        /* the forkserver had died */
  LP_DEATH_GARBAGE,       /* it had sent garbage, so main had it killed */
  LP_DEATH_CAUSES
} lp_death_cause;

typedef struct lp_death {
  uint32_t worker; /* its id */
  pid_t pid;       /* 0 when it could not be forked */
  int status;      /* as from waitpid */
  int error;       /* why it could not be forked, a negative errno; else 0 */
  long peak;       /* the most kilobytes that were resident */
  lp_death_cause cause;
  char *report; /* its last lines on stderr, or NULL */
} lp_death;

/* NULL for want of memory. */
lp_death *lp_death_copy(const lp_death *d);
void lp_death_free(lp_death *d);

/* Frees what the struct holds. Safe on a zeroed one, safe twice. */
void lp_death_close(lp_death *d);

#endif
