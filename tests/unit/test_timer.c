/* tests/unit/test_timer.c: the heap of deadlines against a list that is searched through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/loop/timer.h"

enum { TIMERS = 300, STEPS = 50000 };

static uint32_t seed = 1;

static uint32_t random_below(uint32_t n) {
  seed = (uint32_t)((uint64_t)seed * 48271 % 2147483647);
  return seed % n;
}

/* Each timer stands where it says, none is due before its parent. */
static void check_heap(const lp_timers *h) {
  for (size_t i = 0; i < h->len; i++) {
    assert_int_equal(h->heap[i].timer->place, i + 1);
    if (i) assert_true(h->heap[(i - 1) / 4].due <= h->heap[i].due);
  }
}

static uint64_t earliest(const lp_timer *timers, const uint64_t *due, size_t *count) {
  uint64_t least = UINT64_MAX;
  *count = 0;
  for (int i = 0; i < TIMERS; i++) {
    if (!timers[i].place) continue;
    ++*count;
    if (due[i] < least) least = due[i];
  }
  return least;
}

static void test_against_a_list(void **state) {
  (void)state;
  lp_timers h = {0};
  static lp_timer timers[TIMERS];
  static uint64_t due[TIMERS];
  for (int step = 0; step < STEPS; step++) {
    size_t count;
    uint32_t i = random_below(TIMERS);
    if (timers[i].place)
      lp_timer_stop(&h, &timers[i]);
    else
      assert_int_equal(lp_timer_start(&h, &timers[i], due[i] = random_below(1000)), 0);
    if (step % 100 == 0) check_heap(&h);
    uint64_t least = earliest(timers, due, &count);
    assert_int_equal(h.len, count);
    assert_true(lp_timer_due(&h, lp_timer_first(&h)) == least);
  }
  lp_timer_close(&h);
}

static void test_comes_out_sorted(void **state) {
  (void)state;
  lp_timers h = {0};
  lp_timer timers[TIMERS] = {0};
  for (int i = 0; i < TIMERS; i++) lp_timer_start(&h, &timers[i], random_below(100));
  uint64_t last = 0;
  for (int n = 0; n < TIMERS; n++) {
    assert_true(lp_timer_due(&h, lp_timer_first(&h)) >= last);
    last = lp_timer_due(&h, lp_timer_first(&h));
    lp_timer_stop(&h, lp_timer_first(&h));
  }
  assert_null(lp_timer_first(&h));
  lp_timer_close(&h);
}

/* Thousands at a few moments; some are stopped and started again, and are the last then. */
static void test_those_of_one_moment_come_in_the_order_of_their_start(void **state) {
  (void)state;
  enum { MANY = 5000, MOMENTS = 3 };
  static lp_timer timers[MANY];
  static uint32_t started[MANY];
  lp_timers h = {.started = UINT32_MAX - MANY / 2};
  uint32_t count = 0;
  for (int i = 0; i < MANY; i++) {
    lp_timer_start(&h, &timers[i], random_below(MOMENTS));
    started[i] = ++count;
    uint32_t again = random_below((uint32_t)i + 1);
    if (i % 3) continue;
    uint64_t due = lp_timer_due(&h, &timers[again]);
    lp_timer_stop(&h, &timers[again]);
    lp_timer_start(&h, &timers[again], due);
    started[again] = ++count;
  }
  uint64_t moment = 0;
  uint32_t last = 0;
  for (lp_timer *t; (t = lp_timer_first(&h)); lp_timer_stop(&h, t)) {
    if (lp_timer_due(&h, t) > moment) last = 0;
    moment = lp_timer_due(&h, t);
    assert_true(started[t - timers] > last);
    last = started[t - timers];
  }
  assert_int_equal(moment, MOMENTS - 1);
  lp_timer_close(&h);
}

static void test_stop_of_none(void **state) {
  (void)state;
  lp_timers h = {0};
  lp_timer t = {0};
  lp_timer_stop(&h, &t);
  lp_timer_start(&h, &t, 5);
  lp_timer_stop(&h, &t);
  lp_timer_stop(&h, &t);
  assert_null(lp_timer_first(&h));
  lp_timer_close(&h);
  lp_timer_close(&h);
}

static void test_extremes(void **state) {
  (void)state;
  lp_timers h = {0};
  lp_timer zero = {0}, most = {0}, middle = {0};
  lp_timer_start(&h, &most, UINT64_MAX);
  lp_timer_start(&h, &zero, 0);
  lp_timer_start(&h, &middle, UINT64_MAX / 2);
  assert_ptr_equal(lp_timer_first(&h), &zero);
  lp_timer_stop(&h, &zero);
  assert_ptr_equal(lp_timer_first(&h), &middle);
  lp_timer_stop(&h, &middle);
  assert_ptr_equal(lp_timer_first(&h), &most);
  lp_timer_close(&h);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_against_a_list),
      cmocka_unit_test(test_comes_out_sorted),
      cmocka_unit_test(test_those_of_one_moment_come_in_the_order_of_their_start),
      cmocka_unit_test(test_stop_of_none),
      cmocka_unit_test(test_extremes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
