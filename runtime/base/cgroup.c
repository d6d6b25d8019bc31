/* base/cgroup.c: reads /proc/self/cgroup: a line "0::/path" for the second version,
 * "4:cpu,cpuacct:/path" for a hierarchy of the first. A container may be shown a path that it
 * cannot see: its own group is mounted at the top then. Layer: base. */
#include "runtime/base/cgroup.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Is the controller in "cpu,cpuacct"? */
static bool has(const char *list, const char *controller) {
  size_t len = strlen(controller);
  for (const char *at = list; (at = strstr(at, controller)); at += len)
    if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0')) return true;
  return false;
}

static void set(lp_cgroup *g, int version, const char *controller, const char *path) {
  g->version = version;
  g->mount = (size_t)snprintf(g->path, sizeof g->path, "/sys/fs/cgroup%s%s",
                              version == 1 ? "/" : "", version == 1 ? controller : "");
  snprintf(g->path + g->mount, sizeof g->path - g->mount, "%s", path);
  if (access(g->path, F_OK) < 0) g->path[g->mount] = '\0';
}

lp_cgroup lp_cgroup_find(const char *controller) {
  lp_cgroup g = {0};
  char line[512], list[128], path[256];
  FILE *f = fopen("/proc/self/cgroup", "re");
  if (!f) return g;
  while (fgets(line, sizeof line, f)) {
    if (g.version == 0 && sscanf(line, "0::%255s", path) == 1) set(&g, 2, controller, path);
    if (sscanf(line, "%*d:%127[^:]:%255s", list, path) == 2 && has(list, controller))
      set(&g, 1, controller, path);
  }
  fclose(f);
  return g;
}

/* The numbers in a file of the group; "max" is none. Returns how many. */
static int read_numbers(const lp_cgroup *g, const char *name, long long n[2]) {
  char path[sizeof g->path + 32];
  snprintf(path, sizeof path, "%s/%s", g->path, name);
  FILE *f = fopen(path, "re");
  if (!f) return 0;
  int got = fscanf(f, "%lld %lld", &n[0], &n[1]);
  fclose(f);
  return got > 0 ? got : 0;
}

static int quota(const lp_cgroup *g) {
  long long n[2] = {0, 0}, period[2] = {0, 0};
  if (g->version == 2) {
    if (read_numbers(g, "cpu.max", n) < 2) return 0;
    period[0] = n[1];
  } else if (read_numbers(g, "cpu.cfs_quota_us", n) < 1 ||
             read_numbers(g, "cpu.cfs_period_us", period) < 1) {
    return 0;
  }
  return n[0] > 0 && period[0] > 0 ? (int)((n[0] + period[0] - 1) / period[0]) : 0;
}

int lp_cgroup_cpus(void) {
  lp_cgroup g = lp_cgroup_find("cpu");
  int least = 0;
  while (g.version) {
    int n = quota(&g);
    if (n > 0 && (!least || n < least)) least = n;
    char *last = strrchr(g.path + g.mount, '/');
    if (!last) break;
    *last = '\0';
  }
  return least;
}
