/* pool/oom.c: reads the kernel's counts of kills. Layer: pool. Process: main. */
#include "runtime/pool/oom.h"

#include <stdio.h>
#include <string.h>

#include "runtime/base/cgroup.h"

uint64_t lp_oom_count(const char *path) {
  char name[64];
  unsigned long long n = 0;
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  while (fscanf(f, "%63s %llu", name, &n) == 2 && strcmp(name, "oom_kill") != 0) n = 0;
  fclose(f);
  return n;
}

static uint64_t count_group(void) {
  lp_cgroup g = lp_cgroup_find("memory");
  char path[sizeof g.path + 32];
  snprintf(path, sizeof path, "%s/%s", g.path,
           g.version == 2 ? "memory.events" : "memory.oom_control");
  return g.version ? lp_oom_count(path) : 0;
}

void lp_oom_open(lp_oom *o) {
  o->group = count_group();
  o->system = lp_oom_count("/proc/vmstat");
}

lp_death_cause lp_oom_look(lp_oom *o) {
  lp_oom before = *o;
  lp_oom_open(o);
  if (o->group > before.group) return LP_DEATH_GROUP_MEMORY;
  return o->system > before.system ? LP_DEATH_SYSTEM_MEMORY : LP_DEATH_PLAIN;
}
