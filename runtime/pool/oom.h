/* pool/oom.h: has the kernel killed for want of memory since the last look? It counts such
 * kills, of the control group and of the machine; they do not say whom. Layer: pool. Process:
 * main. Owner: the fleet, which embeds it. */
#ifndef LP_POOL_OOM_H
#define LP_POOL_OOM_H

#include <stdint.h>

#include "runtime/pool/death.h"

typedef struct lp_oom {
  uint64_t group, system; /* kills until now */
} lp_oom;

/* Begins to count. */
void lp_oom_open(lp_oom *o);

/* Whether a worker that was killed since the last look died of it: a cause, or LP_DEATH_PLAIN.
 */
lp_death_cause lp_oom_look(lp_oom *o);

/* The number after "oom_kill" in a file of the kernel; 0 when there is none. */
uint64_t lp_oom_count(const char *path);

#endif
