/* tests/unit/test_oom.c: the kernel's counts of kills for want of memory, and deaths that are
 * copied. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/base/alloc.h"
#include "runtime/pool/death.h"
#include "runtime/pool/oom.h"

static uint64_t count_in(const char *text) {
  char path[] = "/tmp/luapool-oom.XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
  uint64_t n = lp_oom_count(path);
  unlink(path);
  return n;
}

static void test_count(void **state) {
  (void)state;
  assert_int_equal(count_in("low 0\nhigh 4\noom 7\noom_kill 3\noom_group_kill 1\n"), 3);
  assert_int_equal(count_in("oom_kill_disable 0\nunder_oom 0\noom_kill 12\n"), 12);
  assert_int_equal(count_in("low 5\n"), 0);
  assert_int_equal(count_in(""), 0);
  assert_int_equal(count_in("oom_kill\n"), 0);
  assert_int_equal(lp_oom_count("/nowhere/at/all"), 0);
}

/* Nobody has been killed between these two looks, or the machine is in trouble. */
static void test_look(void **state) {
  (void)state;
  lp_oom o = {0};
  lp_oom_open(&o);
  assert_int_equal(lp_oom_look(&o), LP_DEATH_PLAIN);
}

static void test_copy(void **state) {
  (void)state;
  char *report = lp_alloc_new(8);
  assert_non_null(report);
  strcpy(report, "words");
  lp_death d = {.worker = 2, .pid = 77, .status = 9, .report = report};
  lp_death *copy = lp_death_copy(&d);
  assert_non_null(copy);
  lp_death_close(&d);
  lp_death_close(&d);
  assert_int_equal(copy->pid, 77);
  assert_string_equal(copy->report, "words");
  lp_death_free(copy);
  lp_death_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_count),
      cmocka_unit_test(test_look),
      cmocka_unit_test(test_copy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
