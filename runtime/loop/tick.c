/* loop/tick.c: the timers, their signal and its handler. The handler may run between any two
 * instructions. It touches the table of signals, what belongs to its own thread, and the
 * runtime that runs there; whose timer has sent the signal is told by a number, as that runtime
 * may be closed. Layer: loop. */
#include "runtime/loop/tick.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the signals of this process ---- */

/* Who uses a signal. The handler reads `host` alone. */
static struct {
  int users;
  struct sigaction before;
  /* `before`, once it is complete. */
  const struct sigaction *_Atomic host;
} signals[NSIG];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* A signal of ours carries the address of one of these, two for each runtime. They are so many
 * that two runtimes of a thread hardly share one; if they do, a slice is shorter. */
enum { RUNTIMES = 1024 };
static const char marks[2 * RUNTIMES];

static const char *mark_of(const lp_ticks *t, bool slice) {
  return marks + 2 * (t->number % RUNTIMES) + slice;
}

/* ---- this thread ---- */

static _Thread_local struct {
  /* The runtime whose tasks run just now, or NULL. */
  lp_ticks *volatile here;
  /* It counts the signals of all timers. */
  volatile unsigned signals;
  /* Identifies the thread among all that there were. */
  uint64_t number;
} self;

static uint64_t number_of_thread(void) {
  static _Atomic uint64_t last;
  if (!self.number) self.number = atomic_fetch_add(&last, 1) + 1;
  return self.number;
}

/* ---- the handler ---- */

static void call_host(int signum, siginfo_t *info, void *context) {
  const struct sigaction *host = atomic_load(&signals[signum].host);
  if (!host) return;
  if (host->sa_flags & SA_SIGINFO)
    host->sa_sigaction(signum, info, context);
  else if (host->sa_handler != SIG_DFL && host->sa_handler != SIG_IGN)
    host->sa_handler(signum);
}

/* A timer of another runtime has fired: that of `t` may have, too, at the same moment. */
static void tell(lp_ticks *t, const char *mark) {
  bool slice = mark == mark_of(t, true), step = mark == mark_of(t, false);
  if (step) t->armed = false;
  if (!slice && !step) lp_tick_arm(t);
  t->fire(t, slice);
}

/* Signals of two timers that come at once are merged into one. So each counts for all runtimes
 * of the thread: those that do not run now arm their timers again before they do. */
static void on_signal(int signum, siginfo_t *info, void *context) {
  int saved_errno = errno;
  const char *mark = info->si_value.sival_ptr;
  bool ours = info->si_code == SI_TIMER && (uintptr_t)mark >= (uintptr_t)marks &&
              (uintptr_t)mark < (uintptr_t)marks + sizeof marks;
  if (ours) {
    self.signals++;
    lp_ticks *t = self.here;
    if (t) tell(t, mark);
  } else {
    call_host(signum, info, context);
  }
  errno = saved_errno;
}

/* Where threads have an alternate stack the handler uses it: those of Go have too little of
 * another. Where they have none, the flag alone makes valgrind end the process. */
static int flag_of_stack(void) {
  stack_t alternate;
  return sigaltstack(NULL, &alternate) == 0 && !(alternate.ss_flags & SS_DISABLE) ? SA_ONSTACK
                                                                                  : 0;
}

/* Puts the handler in place for the first runtime that uses the signal. */
static int take_signal(int signum) {
  if (signum < 1 || signum >= NSIG) return -EINVAL;
  struct sigaction action = {.sa_sigaction = on_signal,
                             .sa_flags = SA_RESTART | SA_SIGINFO | flag_of_stack()};
  int rc = 0;
  pthread_mutex_lock(&mutex);
  if (signals[signum].users == 0) {
    rc = sigaction(signum, NULL, &signals[signum].before);
    if (rc == 0) atomic_store(&signals[signum].host, &signals[signum].before);
    if (rc == 0) rc = sigaction(signum, &action, NULL);
    if (rc < 0) rc = -errno;
  }
  if (rc == 0) signals[signum].users++;
  pthread_mutex_unlock(&mutex);
  return rc;
}

/* Puts the host's handler back after the last runtime, unless the host has done so. A signal of
 * a timer that is deleted may wait in some thread; to ignore signals of the number for a moment
 * removes it, else it would come to the host. */
static void release_signal(int signum) {
  struct sigaction now, none = {.sa_handler = SIG_IGN};
  pthread_mutex_lock(&mutex);
  if (--signals[signum].users == 0) {
    sigaction(signum, NULL, &now);
    if (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal) {
      sigaction(signum, &none, NULL);
      sigaction(signum, &signals[signum].before, NULL);
    }
    atomic_store(&signals[signum].host, NULL);
  }
  pthread_mutex_unlock(&mutex);
}

/* ---- the timers ---- */

static int make_timer(const lp_ticks *t, clockid_t clock, bool slice, timer_t *timer) {
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = t->signal};
  event.sigev_value.sival_ptr = (void *)mark_of(t, slice);
  event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
  return timer_create(clock, &event, timer) == 0 ? 0 : -errno;
}

static struct itimerspec after(int64_t ns) {
  return (struct itimerspec){.it_value = {ns / 1000000000, ns % 1000000000}};
}

void lp_tick_arm(lp_ticks *t) {
  struct itimerspec time = after(t->interval);
  t->seen = self.signals;
  if (t->has_slice) timer_settime(t->slice, 0, &time, NULL);
}

static void delete_timers(lp_ticks *t) {
  if (t->has_slice) timer_delete(t->slice);
  if (t->has_step) timer_delete(t->step);
  t->has_slice = t->has_step = t->armed = false;
}

static int start_slices(lp_ticks *t) {
  if (t->interval == 0) return 0;
  int rc = make_timer(t, CLOCK_THREAD_CPUTIME_ID, true, &t->slice);
  t->has_slice = rc == 0;
  lp_tick_arm(t);
  return rc;
}

/* `outer` has unblocked the signal already, if that was necessary. */
static bool shares_mask(const lp_ticks *t, const lp_ticks *outer) {
  return outer && outer->signal == t->signal;
}

/* The runtime has come to this thread, or is new. */
static int move(lp_ticks *t) {
  sigset_t set;
  delete_timers(t);
  t->thread = number_of_thread();
  pthread_sigmask(SIG_BLOCK, NULL, &set);
  t->blocked =
      shares_mask(t, self.here) ? self.here->blocked : sigismember(&set, t->signal) == 1;
  return start_slices(t);
}

static void change_mask(const lp_ticks *t, int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, t->signal);
  pthread_sigmask(how, &set, NULL);
}

/* Makes the timers anew in another thread, and arms that of slices again when its signal may
 * have come while another runtime was `here`. */
static void settle_in(lp_ticks *t) {
  if (t->thread != number_of_thread())
    move(t);
  else if (t->seen != self.signals)
    lp_tick_arm(t);
}

lp_ticks *lp_tick_enter(lp_ticks *t) {
  lp_ticks *outer = self.here;
  if (t->signal) settle_in(t);
  self.here = t;
  if (t->signal && t->blocked && !shares_mask(t, outer)) change_mask(t, SIG_UNBLOCK);
  return outer;
}

void lp_tick_leave(lp_ticks *t, lp_ticks *outer) {
  if (t->signal && t->blocked && !shares_mask(t, outer)) change_mask(t, SIG_BLOCK);
  self.here = outer;
  if (outer && outer->signal) settle_in(outer);
}

bool lp_tick_until(lp_ticks *t, uint64_t ns) {
  if (!t->signal) return false;
  if (ns == 0 && !t->armed) return true;
  if (t->thread != number_of_thread()) move(t);
  if (!t->has_step) t->has_step = make_timer(t, CLOCK_MONOTONIC, false, &t->step) == 0;
  if (!t->has_step) return false;
  struct itimerspec time = after((int64_t)ns);
  t->armed = ns != 0;
  timer_settime(t->step, TIMER_ABSTIME, &time, NULL);
  return true;
}

/* ---- life ---- */

int lp_tick_open(lp_ticks *t, int signal) {
  static _Atomic unsigned last;
  if (t->signal) return 0;
  int rc = take_signal(signal);
  if (rc < 0) return rc;
  t->signal = signal;
  t->number = atomic_fetch_add(&last, 1);
  return 0;
}

int lp_tick_set_interval(lp_ticks *t, int64_t ns) {
  t->interval = ns;
  return t->signal ? move(t) : 0;
}

void lp_tick_close(lp_ticks *t) {
  if (!t->signal) return;
  delete_timers(t);
  release_signal(t->signal);
  t->signal = 0;
  t->thread = 0;
}
