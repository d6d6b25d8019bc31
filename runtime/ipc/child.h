/* ipc/child.h: programs that a process starts and that do not outlive it, whatever ends it.
 *
 * A process that starts programs has a keeper beside it: a process that waits for our end
 * alone, and then kills those programs with all that descends from them. So nobody is left when
 * we are killed by -9, and each program is our own child all the same. No signal of the host is
 * touched: where it does something with SIGCHLD (it ignores it, or has a handler, which may
 * wait for whatever child there is), a program is the child of a waiter, a process that does
 * nothing but wait for it. Layer: ipc. Process: main and workers. */
#ifndef LP_IPC_CHILD_H
#define LP_IPC_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct lp_keeper {
  pid_t pid;    /* 0 before the first program is started. */
  int line;     /* Our end of the socket to it. */
  int programs; /* How many have been started and not waited for. */
} lp_keeper;

typedef struct lp_child {
  lp_keeper *keeper;
  pid_t pid;
  pid_t waiter; /* A process of ours between us and the program, or 0. */
  int line;     /* To the waiter. */
} lp_child;

/* The status of a child that the host has waited for in our place. */
enum { LP_CHILD_LOST = -1 };

typedef struct lp_child_options {
  char *const *args;   /* The program, which is looked for along $PATH, its arguments, NULL. */
  const char *command; /* In place of `args`: what a shell is to run. */
  char **env;          /* NULL: our own. */
  const char *cwd;     /* NULL: our own. */
  int fds[3];          /* What becomes its descriptors 0, 1 and 2; -1: /dev/null. */
} lp_child_options;

/* Starts a program, with default signals. The keeper (zeroed at first) is started with the
 * first one and outlives the child; NULL says that there was no memory for it. The descriptors
 * stay the caller's. Returns 0 when the program runs, or a negative errno. */
int lp_child_start(lp_child *c, lp_keeper *keeper, const lp_child_options *options);

/* Kills the program and all that descends from it. It is then to be waited for. */
void lp_child_kill(const lp_child *c);

/* Looks whether the program has ended; with `block` waits for that. Returns true when it has:
 * `*status` is then as from waitpid, or LP_CHILD_LOST. What it has started and left behind goes
 * on. */
bool lp_child_wait(const lp_child *c, bool block, int *status);

/* A descriptor for the caller to close, which is readable when the program has ended; or a
 * negative errno. */
int lp_child_watch(const lp_child *c);

/* Ends the keeper, and the programs that have not ended. Safe on a zeroed one, and twice. */
void lp_child_close_keeper(lp_keeper *keeper);

#endif
