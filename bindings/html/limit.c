/* bindings/html/limit.c: the clock of a thread costs a system call, so it is not asked before
 * the first STEPS_A_LOOK steps: most queries end earlier. The timer is made once for a thread
 * and only set for each query; a child that was forked has none, and makes its own. Layer:
 * bindings. */
#include "bindings/html/limit.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { SIGNAL = SIGPROF };

/* What the timer is to lower; NULL when no query runs. The handler runs in this thread. */
static _Thread_local unsigned long *volatile lowered;

/* The timer of this thread, if `made`. */
static _Thread_local timer_t timer;
static _Thread_local bool made;

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

static void on_signal(int signum) {
  (void)signum;
  unsigned long *limit = lowered;
  if (limit) *limit = 1;
}

/* Sets the timer; 0 seconds stop it. */
static bool set_timer(double seconds) {
  struct itimerspec at = {.it_value = {.tv_sec = (time_t)seconds}};
  at.it_value.tv_nsec = (long)((seconds - floor(seconds)) * 1e9);
  return timer_settime(timer, 0, &at, NULL) == 0;
}

static void make_timer(void) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGNAL};
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  sigaction(SIGNAL, &action, NULL);
  made = timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0;
}

void lpb_html_limit_arm(lpb_html_limit *l, unsigned long *op_limit) {
  enum { FOREVER = 1000000000 };
  double seconds = l->seconds < FOREVER ? fmax(l->seconds, 1e-6) : FOREVER;
  lowered = op_limit;
  if (made && set_timer(seconds)) return;
  make_timer();
  if (made) set_timer(seconds);
}

void lpb_html_limit_disarm(lpb_html_limit *l) {
  if (lowered && *lowered == 1) l->state = LPB_HTML_LIMIT_LATE;
  if (made) set_timer(0);
  lowered = NULL;
}
