/* ipc/spawn.h: what a new worker is given, and what it does to itself first.
 *
 * Main makes the descriptors here; the forkserver hands them on; in the worker lp_spawn_enter
 * puts them in their places. None of them is ever 0, 1 or 2, also when a process began without
 * those. Layer: ipc. Owner: whoever made a descriptor closes it. */
#ifndef LP_IPC_SPAWN_H
#define LP_IPC_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a new worker is given; in it these descriptors are its own. */
typedef struct lp_spawn {
  uint32_t id;   /* chosen by main, comes back in every report; unique among living workers */
  uint32_t slot; /* for the worker: 1..N */
  int channel;   /* its end of the channel */
  int out, err;  /* become its descriptors 1 and 2; stdin becomes /dev/null */
  int page;      /* memory shared with main, a memfd */
} lp_spawn;

/* Runs the worker in the child and returns its exit code. */
typedef int (*lp_spawn_main)(const lp_spawn *spawn);

/* Opens /dev/null for each of 0, 1 and 2 that is closed: libuv aborts when one of its
 * descriptors is among them. Writing to stdout fails then, as it does on a closed one.
 * lp_forkserver_fork begins with it. Returns 0 or a negative errno. */
int lp_spawn_fill_stdio(void);

/* A pair of connected Unix sockets of `type` (SOCK_STREAM for a channel), closed on exec.
 * Returns 0 or a negative errno. */
int lp_spawn_pair(int type, int fds[2]);

/* A pipe, closed on exec: fds[0] is read, fds[1] becomes a worker's `out` or `err`. Returns 0
 * or a negative errno. */
int lp_spawn_pipe(int fds[2]);

/* `size` zeroed bytes of memory to be mapped by main and its workers: a memfd, closed on exec.
 * Returns it, or a negative errno. */
int lp_spawn_page(size_t size);

/* Maps such a page for reading and writing, in main and in the worker; munmap gives it back.
 * NULL when there is no room. */
void *lp_spawn_map(int page, size_t size);

/* In a fresh child of the process `parent`, the forkserver: stdout and stderr in place, the
 * forkserver's blocked signals open again, and death with the parent. The forkserver's own
 * stdin is /dev/null, and it ignores what its workers ignore, so both come by inheritance.
 * Returns 0, or a negative errno when the parent is gone already: then the child exits. */
int lp_spawn_enter(const lp_spawn *spawn, pid_t parent);

#endif
