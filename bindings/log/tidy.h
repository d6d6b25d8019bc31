/* bindings/log/tidy.h: what becomes of rotated files: they are compressed, and the oldest are
 * removed.
 *
 * A thread does it, so that no task waits meanwhile. It looks at the folder and not at what
 * this process has done: what a process that was killed has left is done by the next. Two
 * processes may do it at once. Layer: bindings, no Lua. Owner: the sink in open.c. */
#ifndef LPB_LOG_TIDY_H
#define LPB_LOG_TIDY_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

typedef struct lpb_log_tidy {
  /* How many rotated files stay, 0: all. */
  int keep;
  bool compress;
  /* The path of the log, without links. */
  char path[PATH_MAX];
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t ended;
  /* Of these three: the mutex. There is a thread, which has to be joined; */
  bool started;
  /* it has not ended; */
  bool running;
  /* it is to begin anew. */
  bool again;
  /* The thread is to end soon. */
  atomic_bool stop;
} lpb_log_tidy;

void lpb_log_tidy_init(lpb_log_tidy *t);

/* Begins to look after the rotated files of the log at `path`. Does nothing where they are only
 * kept. */
void lpb_log_tidy_start(lpb_log_tidy *t, const char *path);

/* Waits until what was begun is done, for a second at most: what is left then, the next process
 * does that opens the log. */
void lpb_log_tidy_close(lpb_log_tidy *t);

#endif
