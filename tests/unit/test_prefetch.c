/* ipc/prefetch.h: each item has one taker. */
#include "runtime/ipc/prefetch.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { TAKERS = 4, ITEMS = 20000 };

typedef struct taker {
  pthread_t thread;
  lp_prefetch *prefetch;
  _Atomic unsigned char *takers; /* of each item */
  uint32_t base;                 /* the number of the first item */
  _Atomic int *left;
} taker;

static void *take_all(void *argument) {
  taker *t = argument;
  uint32_t number;
  while (atomic_load(t->left) > 0) {
    if (!lp_prefetch_first(t->prefetch, &number)) continue;
    if (!lp_prefetch_take(t->prefetch, number)) continue;
    atomic_fetch_add(&t->takers[number - t->base], 1);
    atomic_fetch_sub(t->left, 1);
  }
  return NULL;
}

/* Begins at `base`: as many items were sent and taken before. */
static void each_has_one_taker(uint32_t base) {
  static _Atomic unsigned char takers[ITEMS];
  lp_prefetch prefetch = {.word = (uint64_t)base << 32 | base};
  _Atomic int left = ITEMS;
  taker all[TAKERS];
  for (int i = 0; i < ITEMS; i++) atomic_store(&takers[i], 0);
  for (int i = 0; i < TAKERS; i++) {
    all[i] = (taker){.prefetch = &prefetch, .takers = takers, .base = base, .left = &left};
    assert_int_equal(pthread_create(&all[i].thread, NULL, take_all, &all[i]), 0);
  }
  for (int sent = 0; sent < ITEMS; sent += 50) {
    lp_prefetch_send(&prefetch, 50);
    uint32_t number;
    if (!lp_prefetch_first(&prefetch, &number) || !lp_prefetch_take(&prefetch, number))
      continue;
    atomic_fetch_add(&takers[number - base], 1);
    atomic_fetch_sub(&left, 1);
  }
  for (int i = 0; i < TAKERS; i++) pthread_join(all[i].thread, NULL);
  for (int i = 0; i < ITEMS; i++) assert_int_equal(atomic_load(&takers[i]), 1);
  assert_int_equal(lp_prefetch_left(&prefetch), 0);
  assert_int_equal(lp_prefetch_sent(&prefetch), base + ITEMS);
}

static void takers_at_the_same_time(void **state) {
  (void)state;
  each_has_one_taker(0);
}

static void numbers_wrap(void **state) {
  (void)state;
  each_has_one_taker(UINT32_MAX - ITEMS / 2);
}

static void only_the_first_can_be_taken(void **state) {
  (void)state;
  lp_prefetch prefetch = {0};
  uint32_t number;
  assert_false(lp_prefetch_first(&prefetch, &number));
  assert_false(lp_prefetch_take(&prefetch, 0));
  lp_prefetch_send(&prefetch, 2);
  assert_int_equal(lp_prefetch_left(&prefetch), 2);
  assert_false(lp_prefetch_take(&prefetch, 1));
  assert_true(lp_prefetch_first(&prefetch, &number));
  assert_int_equal(number, 0);
  assert_true(lp_prefetch_take(&prefetch, 0));
  assert_false(lp_prefetch_take(&prefetch, 0));
  assert_true(lp_prefetch_take(&prefetch, 1));
  assert_false(lp_prefetch_first(&prefetch, &number));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_the_first_can_be_taken),
      cmocka_unit_test(takers_at_the_same_time),
      cmocka_unit_test(numbers_wrap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
