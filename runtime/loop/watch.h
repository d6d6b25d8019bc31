/* loop/watch.h: who waits for the end of a task. Layer: loop. Owner of a lp_watch: the
 * operation that embeds it. */
#ifndef LP_LOOP_WATCH_H
#define LP_LOOP_WATCH_H

typedef struct lp_task lp_task;

/* A zeroed one waits for nothing. */
typedef struct lp_watch {
  void (*ended)(struct lp_watch *w, lp_task *t); /* called once */
  struct lp_watch *next, **at;                   /* `at`: what points to it */
} lp_watch;

/* Puts it in front of a list, that of a task. */
void lp_watch_add(lp_watch *w, lp_watch **list);

/* No effect when it waits for nothing. */
void lp_watch_remove(lp_watch *w);

/* The task has ended: empties the list, calls in the order in which they were added. */
void lp_watch_call(lp_watch **list, lp_task *t);

#endif
