/* bindings/core/watchdog.c: a thread that ends the process when nobody has called it off in
 * time. A task cannot do that while a C function runs, which may be for ever. The thread
 * touches nothing but its own struct; the forkserver sees to the workers. Layer: bindings.
 * Process: main.
 */
#include "bindings/core/watchdog.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "bindings/class.h"
#include "runtime/loop/object.h"
#include "runtime/loop/raise.h"

typedef struct watchdog {
  uv_thread_t thread;
  uv_mutex_t mutex;
  uv_cond_t called_off;
  uint64_t due; /* of uv_hrtime */
  int status;
  /* Written to stderr when the process is ended. */
  char text[256];
  /* The thread runs. */
  bool open;
  /* It is to end: under the mutex. */
  bool off;
} watchdog;

static const char CLASS[] = "luapool.watchdog";

/* Signals are for the other threads. Where nobody reads stderr the text is left out: writing
 * would block, as it may block the task that is not done. */
static void watch(void *arg) {
  watchdog *w = arg;
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  uv_mutex_lock(&w->mutex);
  for (uint64_t now; !w->off && (now = uv_hrtime()) < w->due;)
    uv_cond_timedwait(&w->called_off, &w->mutex, w->due - now);
  if (!w->off) {
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t n = poll(&room, 1, 0) == 1 ? write(STDERR_FILENO, w->text, strlen(w->text)) : 0;
    (void)n;
    _exit(w->status);
  }
  uv_mutex_unlock(&w->mutex);
}

/* core.watchdog(seconds, status, text) -> watchdog. Unless it is closed within so many seconds,
 * the process ends at once, with this status and text on stderr. */
static int core_watchdog(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  int status = (int)luaL_checkinteger(L, 2);
  const char *text = luaL_checkstring(L, 3);
  watchdog *w = lp_object_new(L, sizeof *w, 0);
  memset(w, 0, sizeof *w);
  luaL_setmetatable(L, CLASS);
  if (!(seconds < 1e9)) return 1; /* thirty years: never */
  w->due = uv_hrtime() + (uint64_t)(seconds * 1e9);
  w->status = status;
  strncpy(w->text, text, sizeof w->text - 1);
  int rc = uv_mutex_init(&w->mutex);
  if (rc < 0) return lp_raise_code(L, rc, "watchdog");
  rc = uv_cond_init(&w->called_off);
  if (rc == 0 && (rc = uv_thread_create(&w->thread, watch, w)) < 0)
    uv_cond_destroy(&w->called_off);
  if (rc < 0) {
    uv_mutex_destroy(&w->mutex);
    return lp_raise_code(L, rc, "watchdog");
  }
  w->open = true;
  return 1;
}

/* watchdog:close(). Calls it off. */
static int watchdog_close(lua_State *L) {
  watchdog *w = lpb_class_check(L, CLASS);
  if (!w->open) return 0;
  w->open = false;
  uv_mutex_lock(&w->mutex);
  w->off = true;
  uv_cond_signal(&w->called_off);
  uv_mutex_unlock(&w->mutex);
  uv_thread_join(&w->thread);
  uv_cond_destroy(&w->called_off);
  uv_mutex_destroy(&w->mutex);
  return 0;
}

const luaL_Reg lpb_core_watchdog_functions[] = {{"watchdog", core_watchdog}, {NULL, NULL}};

void lpb_core_watchdog_open(lua_State *L) {
  static const luaL_Reg methods[] = {{"close", watchdog_close},
                                     {"__close", watchdog_close},
                                     {"__gc", watchdog_close},
                                     {NULL, NULL}};
  lpb_class_new(L, CLASS, methods);
  lua_pop(L, 1);
}
