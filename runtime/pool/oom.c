/* pool/oom.c: reads the kernel's counts of kills. Layer: pool. Process: main. */
#include "runtime/pool/oom.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

uint64_t lp_oom_count(const char *path) {
  char name[64];
  unsigned long long n = 0;
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  while (fscanf(f, "%63s %llu", name, &n) == 2 && strcmp(name, "oom_kill") != 0) n = 0;
  fclose(f);
  return n;
}

/* The line of /proc/self/cgroup that memory is counted by: "0::/path" in the second version of
 * control groups, "4:memory:/path" in the first. A container may show a path that it cannot
 * see; its own group is mounted at the top then. */
static uint64_t count_group(const char *line) {
  char group[256], path[384];
  bool second = strncmp(line, "0::", 3) == 0;
  if (!second && !strstr(line, ":memory:")) return 0;
  if (sscanf(strrchr(line, ':'), ":%255s", group) != 1) return 0;
  const char *top = second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
  const char *file = second ? "memory.events" : "memory.oom_control";
  snprintf(path, sizeof path, "%s%s/%s", top, group, file);
  uint64_t n = lp_oom_count(path);
  snprintf(path, sizeof path, "%s/%s", top, file);
  return n ? n : lp_oom_count(path);
}

static uint64_t count_groups(void) {
  char line[512];
  uint64_t n = 0;
  FILE *f = fopen("/proc/self/cgroup", "re");
  if (!f) return 0;
  while (fgets(line, sizeof line, f)) n += count_group(line);
  fclose(f);
  return n;
}

void lp_oom_open(lp_oom *o) {
  o->group = count_groups();
  o->system = lp_oom_count("/proc/vmstat");
}

lp_death_cause lp_oom_look(lp_oom *o) {
  lp_oom before = *o;
  lp_oom_open(o);
  if (o->group > before.group) return LP_DEATH_GROUP_MEMORY;
  return o->system > before.system ? LP_DEATH_SYSTEM_MEMORY : LP_DEATH_PLAIN;
}
