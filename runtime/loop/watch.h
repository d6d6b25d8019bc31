/* loop/watch.h: who waits for the end of a task. Layer: loop. Owner of a lp_watch: the
 * operation that embeds it. */
#ifndef LP_LOOP_WATCH_H
#define LP_LOOP_WATCH_H

typedef struct lp_task lp_task;

/* A zeroed struct is in no list. */
typedef struct lp_watch {
  /* It is called once, when the task ends; the watch is out of the list then. */
  void (*ended)(struct lp_watch *w, lp_task *t);
  /* The next one of the list, and the pointer that points to this one. */
  struct lp_watch *next, **at;
} lp_watch;

/* Puts a watch in front of the list of a task. */
void lp_watch_add(lp_watch *w, lp_watch **list);

/* Takes a watch out of its list. No effect when it is in none. */
void lp_watch_remove(lp_watch *w);

/* Calls all watches of a task that has ended, in the order in which they were added, and
 * empties the list. */
void lp_watch_call(lp_watch **list, lp_task *t);

#endif
