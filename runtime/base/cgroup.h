/* base/cgroup.h: the control group that this process is in, of either version. Layer: base. */
#ifndef LP_BASE_CGROUP_H
#define LP_BASE_CGROUP_H

#include <stddef.h>

typedef struct lp_cgroup {
  int version;    /* 1, 2, or 0: there is none */
  size_t mount;   /* bytes of `path` that are the mount point */
  char path[384]; /* its folder */
} lp_cgroup;

/* Finds the group that counts for a controller of the first version ("cpu", "memory"), or the
 * one of the second. */
lp_cgroup lp_cgroup_find(const char *controller);

/* The processors that its quota and those of the groups around it allow, rounded up; 0: no
 * quota. */
int lp_cgroup_cpus(void);

#endif
