/* ipc/child.c: whom a kill reaches. */
#include "runtime/ipc/child.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { CHILDREN = 600, PATIENCE = 20 }; /* the latter in seconds */

/* The program: it has children that nobody waits for. It says when all of them are there. */
static int be_parent(void) {
  signal(SIGCHLD, SIG_IGN);
  for (int i = 0; i < CHILDREN; i++) {
    if (fork() > 0) continue;
    alarm(2 * PATIENCE); /* a test that fails leaves none of them for ever */
    pause();
    _exit(1);
  }
  if (write(STDOUT_FILENO, "x", 1) != 1) return 1;
  pause();
  return 1;
}

/* Each child has the other end of the pipe, so that ends when the last one is dead. */
static void children_that_nobody_waits_for(void **unused) {
  (void)unused;
  int ends[2], status;
  char byte;
  lp_keeper keeper = {0};
  lp_child child;
  assert_int_equal(pipe(ends), 0);
  char self[] = "/proc/self/exe", role[] = "parent", *args[] = {self, role, NULL};
  const lp_child_options options = {.args = args, .fds = {-1, ends[1], 2}};
  assert_int_equal(lp_child_start(&child, &keeper, &options), 0);
  close(ends[1]);
  assert_int_equal(read(ends[0], &byte, 1), 1);
  lp_child_kill(&child);
  assert_true(lp_child_wait(&child, true, &status));
  lp_child_close_keeper(&keeper);
  struct pollfd end = {.fd = ends[0], .events = POLLIN};
  assert_int_equal(poll(&end, 1, PATIENCE * 1000), 1);
  assert_int_equal(read(ends[0], &byte, 1), 0);
  close(ends[0]);
}

static void status_where_sigchld_was_ignored(void **unused) {
  (void)unused;
  int status = -1;
  lp_keeper keeper = {0};
  lp_child child;
  const lp_child_options options = {.command = "exit 3", .fds = {-1, 1, 2}};
  signal(SIGCHLD, SIG_IGN);
  assert_int_equal(lp_child_start(&child, &keeper, &options), 0);
  assert_true(lp_child_wait(&child, true, &status));
  assert_int_equal(status, 3 << 8);
  lp_child_close_keeper(&keeper);
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "parent") == 0) return be_parent();
  const struct CMUnitTest tests[] = {cmocka_unit_test(children_that_nobody_waits_for),
                                     cmocka_unit_test(status_where_sigchld_was_ignored)};
  return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
