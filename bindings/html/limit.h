/* bindings/html/limit.h: how long a query may compute.
 *
 * A query never waits, so nothing else can stop it. Ours count their steps and look at the
 * clock of the thread from time to time. libxml2's XPath does the same on its own terms: see
 * xpath.c. Layer: bindings. Owner: the call that runs the query. */
#ifndef LPB_HTML_LIMIT_H
#define LPB_HTML_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lpb_html_limit_state {
  LPB_HTML_LIMIT_OPEN,
  LPB_HTML_LIMIT_LATE,
  LPB_HTML_LIMIT_NO_MEMORY,
} lpb_html_limit_state;

typedef struct lpb_html_limit {
  /* Seconds of computing. */
  double seconds;
  /* When the clock was looked at first; 0 before that. */
  double began;
  uint64_t steps;
  lpb_html_limit_state state;
} lpb_html_limit;

/* Seconds that this thread has computed. */
double lpb_html_limit_clock(void);

/* Looks at the clock. */
void lpb_html_limit_look(lpb_html_limit *l);

/* Counts a step. False when the query is to stop. */
static inline bool lpb_html_limit_step(lpb_html_limit *l) {
  enum { STEPS_A_LOOK = 1 << 14 };
  if (++l->steps % STEPS_A_LOOK == 0) lpb_html_limit_look(l);
  return l->state == LPB_HTML_LIMIT_OPEN;
}

#endif
