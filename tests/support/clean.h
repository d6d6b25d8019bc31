/* tests/support/clean.h: each test begins with a loop and ends by proving that nothing is left.
 *
 * Setup and teardown for cmocka tests that take a `clean *` as their state: the loop closes
 * empty, no child is left, no descriptor is left. Include after cmocka.h. */
#ifndef TESTS_SUPPORT_CLEAN_H
#define TESTS_SUPPORT_CLEAN_H

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

typedef struct clean {
  uv_loop_t loop;
  int fds; /* open before the loop was */
} clean;

static inline int clean_count_fds(void) {
  int n = 0;
  DIR *d = opendir("/proc/self/fd");
  if (!d) return -1;
  while (readdir(d)) n++;
  closedir(d);
  return n;
}

/* libuv opens a pair of descriptors for the life of the process with the first loop. */
static inline int clean_group(void **state) {
  (void)state;
  uv_loop_t loop;
  return uv_loop_init(&loop) || uv_loop_close(&loop);
}

static inline int clean_setup(void **state) {
  clean *t = calloc(1, sizeof *t);
  t->fds = clean_count_fds();
  *state = t;
  return uv_loop_init(&t->loop);
}

/* The thread sanitizer keeps signals back until a function of libc is called, so what only
 * computes is never interrupted: there an endless task lets others run by itself. */
#ifdef __SANITIZE_THREAD__
#define CLEAN_ENDLESS "while true do require('luapool.task').yield() end"
#else
#define CLEAN_ENDLESS "while true do end"
#endif

/* For tests that ask too much of the thread sanitizer: for that reason, or since it is slow. */
static inline void clean_skip_under_tsan(void) {
#ifdef __SANITIZE_THREAD__
  skip();
#endif
}

/* A process that is killed while LeakSanitizer looks at it leaves the sanitizer's helper, which
 * dies with it and becomes ours to reap. */
static inline void clean_reap_sanitizer(void) {
#ifdef __SANITIZE_ADDRESS__
  for (int i = 0; i < 100 && waitpid(-1, NULL, WNOHANG) >= 0; i++) usleep(10000);
#endif
}

static inline int clean_teardown(void **state) {
  clean *t = *state;
  uv_run(&t->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&t->loop), 0);
  assert_int_equal(clean_count_fds(), t->fds);
  clean_reap_sanitizer();
  assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
  free(t);
  return 0;
}

#define clean_test(f) cmocka_unit_test_setup_teardown(f, clean_setup, clean_teardown)

#endif
