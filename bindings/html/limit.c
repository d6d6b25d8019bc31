/* bindings/html/limit.c: the clock of a thread costs a system call, so it is not asked before
 * the first STEPS_A_LOOK steps: most queries end earlier. Layer: bindings. */
#include "bindings/html/limit.h"

#include <time.h>

double lpb_html_limit_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void lpb_html_limit_look(lpb_html_limit *l) {
  double now = lpb_html_limit_clock();
  if (l->began == 0) l->began = now;
  if (l->state == LPB_HTML_LIMIT_OPEN && now - l->began > l->seconds)
    l->state = LPB_HTML_LIMIT_LATE;
}
