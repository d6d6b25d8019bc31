/* tests/unit/test_base.c: buffers, lists, error codes, the allocator for Lua. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runtime/base/alloc.h"
#include "runtime/base/buf.h"
#include "runtime/base/error.h"
#include "runtime/base/heap.h"
#include "runtime/base/list.h"

/* ---- buf ---- */

static void test_buf_grows_and_shrinks(void **state) {
  (void)state;
  lp_buf b = {0};
  for (int i = 0; i < 5000; i++) {
    char byte = (char)i;
    assert_int_equal(lp_buf_append(&b, &byte, 1), 0);
    assert_true(b.len == (size_t)i + 1 && b.cap >= b.len);
  }
  lp_buf_consume(&b, 1000);
  assert_int_equal(b.len, 4000);
  for (int i = 0; i < 4000; i++) assert_int_equal(b.data[i], (char)(i + 1000));
  lp_buf_consume(&b, 4000);
  assert_int_equal(b.len, 0);
  lp_buf_consume(&b, 0);
  lp_buf_close(&b);
  lp_buf_close(&b);
  assert_null(b.data);
}

static void test_buf_takes_nothing(void **state) {
  (void)state;
  lp_buf b = {0};
  assert_int_equal(lp_buf_append(&b, NULL, 0), 0);
  assert_int_equal(b.len, 0);
  assert_int_equal(lp_buf_reserve(&b, 100), 0);
  assert_int_equal(b.len, 0);
  assert_true(b.cap >= 100);
  lp_buf_close(&b);
}

static void test_buf_refuses_too_much(void **state) {
  (void)state;
  lp_buf b = {0};
  assert_int_equal(lp_buf_append(&b, "kept", 4), 0);
  assert_int_equal(lp_buf_reserve(&b, SIZE_MAX), LP_EMEMORY);
  assert_int_equal(lp_buf_reserve(&b, SIZE_MAX - 4), LP_EMEMORY);
  assert_int_equal(lp_buf_reserve(&b, SIZE_MAX / 2), LP_EMEMORY);
  assert_int_equal(b.len, 4);
  assert_memory_equal(b.data, "kept", 4);
  lp_buf_close(&b);
}

/* ---- list ---- */

typedef struct item {
  int n;
  lp_list link;
} item;

/* The members of a list as digits of a number, first to last; both directions must agree. */
static long digits(const lp_list *head) {
  long forward = 0, backward = 0, place = 1;
  for (lp_list *it = head->next; it != head; it = it->next)
    forward = forward * 10 + lp_list_of(it, item, link)->n;
  for (lp_list *it = head->prev; it != head; it = it->prev, place *= 10)
    backward += place * lp_list_of(it, item, link)->n;
  assert_int_equal(forward, backward);
  return forward;
}

static void fill(lp_list *head, item *items, int n) {
  lp_list_init(head);
  for (int i = 0; i < n; i++) {
    items[i].n = i + 1;
    lp_list_init(&items[i].link);
    lp_list_push(head, &items[i].link);
  }
}

static void test_list_order(void **state) {
  (void)state;
  lp_list head;
  item items[5], first = {.n = 9};
  fill(&head, items, 5);
  lp_list_unshift(&head, &first.link);
  assert_int_equal(digits(&head), 912345);
  lp_list_remove(&items[2].link);
  lp_list_remove(&items[2].link);
  assert_int_equal(digits(&head), 91245);
  assert_ptr_equal(lp_list_shift(&head), &first.link);
  assert_true(lp_list_empty(&first.link)); /* in no list */
  while (lp_list_shift(&head)) {
  }
  assert_true(lp_list_empty(&head));
  assert_null(lp_list_shift(&head));
}

static void test_list_walk_may_remove(void **state) {
  (void)state;
  lp_list head;
  item items[6];
  fill(&head, items, 6);
  lp_list_each (it, &head)
    if (lp_list_of(it, item, link)->n % 2) lp_list_remove(it);
  assert_int_equal(digits(&head), 246);
}

static void test_list_join(void **state) {
  (void)state;
  lp_list a, b, none;
  item left[3], right[3];
  fill(&a, left, 3);
  fill(&b, right, 2);
  lp_list_init(&none);
  lp_list_join(&a, &none);
  lp_list_join(&a, &b);
  assert_int_equal(digits(&a), 12312);
  assert_true(lp_list_empty(&b));
  lp_list_join(&none, &a);
  assert_int_equal(digits(&none), 12312);
  assert_true(lp_list_empty(&a));
}

/* ---- error codes ---- */

static void test_error_kinds(void **state) {
  (void)state;
  assert_string_equal(lp_error_kind(LP_ETIMEOUT), "timeout");
  assert_string_equal(lp_error_kind(LP_ETOO_LARGE), "too_large");
  assert_string_equal(lp_error_text(LP_ECANCELLED), "the task was cancelled");
  assert_string_equal(lp_error_kind(-ENOENT), "system");
  assert_string_equal(lp_error_text(-ENOENT), "No such file or directory");
  assert_non_null(lp_error_text(-123456));
}

static void test_error_codes_are_no_errno(void **state) {
  (void)state;
#define CHECK(name, code, kind, text)                                                          \
  assert_true(LP_E##name < -4095);                                                             \
  assert_string_equal(lp_error_kind(LP_E##name), kind);
  LP_ERRORS(CHECK)
#undef CHECK
}

/* ---- alloc ---- */

static void test_alloc_is_zeroed(void **state) {
  (void)state;
  unsigned char *p = lp_alloc_new(1000);
  for (int i = 0; i < 1000; i++) assert_int_equal(p[i], 0);
  memset(p, 7, 1000);
  p = lp_alloc_resize(p, 2000);
  assert_int_equal(p[999], 7);
  lp_alloc_free(p);
  lp_alloc_free(NULL);
}

/* ---- heap ---- */

/* As Lua calls it. */
static void *alloc(lp_heap *h, void *p, size_t old_size, size_t new_size) {
  return lp_heap_function(h)(h, p, old_size, new_size);
}

static void test_heap_for_lua(void **state) {
  (void)state;
  lp_heap h;
  lp_heap_open(&h, NULL, NULL);
  char *p = alloc(&h, NULL, 5, 10); /* the old size is a type when there is no block */
  memcpy(p, "123456789", 10);
  for (size_t size = 10; size < 5000; size = size * 3 / 2) {
    p = alloc(&h, p, size, size * 3 / 2);
    assert_string_equal(p, "123456789");
    assert_int_equal(h.used, size * 3 / 2);
  }
  p = alloc(&h, p, h.used, 10);
  assert_string_equal(p, "123456789");
  assert_int_equal(h.used, 10);
  assert_null(alloc(&h, p, 10, 0));
  assert_null(alloc(&h, NULL, 0, 0));
  assert_int_equal(h.used, 0);
  lp_heap_close(&h);
  lp_heap_close(&h);
}

static void test_heap_has_a_limit(void **state) {
  (void)state;
  lp_heap h;
  lp_heap_open(&h, NULL, NULL);
  lp_heap_set_limit(&h, 100);
  void *p = alloc(&h, NULL, 0, 60), *q = alloc(&h, NULL, 0, 40);
  assert_non_null(q);
  assert_null(alloc(&h, NULL, 0, 1));
  assert_null(alloc(&h, p, 60, 61));
  assert_int_equal(h.used, 100);
  p = alloc(&h, p, 60, 50);
  q = alloc(&h, q, 40, 50);
  assert_non_null(q);
  alloc(&h, p, 50, 0);
  alloc(&h, q, 50, 0);
  assert_int_equal(h.used, 0);
  lp_heap_close(&h);
}

static struct { int tight, failed; } told;

static void on_tight(lp_heap *h, bool failed) {
  assert_true(h->tight);
  told.tight++;
  told.failed += failed;
}

/* A limit of 16,000 bytes has a reserve of 1,000. */
static void test_heap_tells_when_its_reserve_is_begun(void **state) {
  (void)state;
  enum { SIZE = 100, MOST = 160, FREE = 150 };
  void *blocks[MOST];
  lp_heap h;
  lp_heap_open(&h, NULL, NULL);
  lp_heap_set_limit(&h, MOST * SIZE);
  h.on_tight = on_tight;
  memset(&told, 0, sizeof told);
  for (int i = 0; i < FREE; i++) blocks[i] = alloc(&h, NULL, 0, SIZE);
  assert_int_equal(told.tight, 0);
  assert_true(lp_heap_relax(&h));
  for (int i = FREE; i < MOST; i++) assert_non_null(blocks[i] = alloc(&h, NULL, 0, SIZE));
  assert_int_equal(told.tight, 4); /* at its begin, and at each quarter */
  assert_false(lp_heap_relax(&h));
  assert_null(alloc(&h, NULL, 0, SIZE));
  assert_null(alloc(&h, blocks[0], SIZE, SIZE + 1));
  assert_int_equal(told.failed, 2);
  for (int i = FREE - 6; i < MOST; i++) alloc(&h, blocks[i], SIZE, 0);
  assert_true(lp_heap_relax(&h));
  blocks[0] = alloc(&h, blocks[0], SIZE, 5 * SIZE);
  assert_int_equal(told.tight, 6);
  for (int i = 1; i < FREE - 6; i++) alloc(&h, blocks[i], SIZE, 0);
  alloc(&h, blocks[0], 5 * SIZE, 0);
  assert_int_equal(h.used, 0);
  lp_heap_close(&h);
}

static void test_heap_counts_what_libraries_hold(void **state) {
  (void)state;
  lp_heap h;
  lp_heap_open(&h, NULL, NULL);
  assert_true(lp_heap_charge(&h, 5000));
  lp_heap_set_limit(&h, 16000);
  assert_true(lp_heap_charge(&h, 9000));
  void *p = alloc(&h, NULL, 0, 1900);
  assert_non_null(p);
  assert_false(lp_heap_charge(&h, 101));
  assert_null(alloc(&h, NULL, 0, 101));
  assert_true(lp_heap_charge(&h, 100));
  lp_heap_discharge(&h, 9000);
  assert_true(lp_heap_relax(&h));
  void *q = alloc(&h, NULL, 0, 8000);
  assert_non_null(q);
  alloc(&h, p, 1900, 0);
  alloc(&h, q, 8000, 0);
  lp_heap_discharge(&h, 5100);
  assert_int_equal(h.used + h.native, 0);
  lp_heap_close(&h);
}

/* Blocks of changing sizes, each full of its own number. */
static void test_heap_keeps_what_is_in_it(void **state) {
  (void)state;
  enum { BLOCKS = 5000, STEPS = 300000, LARGEST = 1500 };
  static struct {
    unsigned char *p;
    size_t size;
  } blocks[BLOCKS];
  lp_heap h;
  lp_heap_open(&h, NULL, NULL);
  uint32_t random = 1;
  for (int step = 0; step < STEPS; step++) {
    random = random * 1664525 + 1013904223;
    unsigned i = (random >> 8) % BLOCKS;
    size_t size = (random >> 20) % 4 ? (random >> 10) % LARGEST : 0, old = blocks[i].size;
    unsigned char *p = alloc(&h, blocks[i].p, old, size);
    for (size_t at = 0; at < old && at < size; at++) assert_int_equal(p[at], i & 0xff);
    if (p) memset(p, (int)(i & 0xff), size);
    blocks[i].p = p;
    blocks[i].size = size;
  }
  for (int i = 0; i < BLOCKS; i++) alloc(&h, blocks[i].p, blocks[i].size, 0);
  assert_int_equal(h.used, 0);
  lp_heap_close(&h);
}

/* With LP_FAIL_ALLOC each block is malloc's; the thread sanitizer has memory for ours. */
#if !defined(LP_FAIL_ALLOC) && !defined(__SANITIZE_THREAD__)
#define LP_TEST_RESIDENT
#endif

#ifdef LP_TEST_RESIDENT
static size_t resident(void) {
  size_t pages = 0;
  FILE *f = fopen("/proc/self/statm", "r");
  assert_non_null(f);
  assert_int_equal(fscanf(f, "%*u %zu", &pages), 1);
  fclose(f);
  return pages * 4096;
}

/* Memory that one size does not need any more serves another, or goes back. */
static void test_heap_gives_back(void **state) {
  (void)state;
  enum { BLOCKS = 1 << 16, SIZE = 500, OTHER = 400, HUGE_PAGE = 2 << 20 };
  static void *blocks[BLOCKS];
  lp_heap h;
  lp_heap_open(&h, NULL, NULL);
  size_t before = resident();
  for (size_t size = SIZE; size >= OTHER; size -= SIZE - OTHER) {
    for (int i = 0; i < BLOCKS; i++) memset(blocks[i] = alloc(&h, NULL, 0, size), 1, size);
    assert_true(resident() - before > BLOCKS * OTHER);
    assert_true(resident() - before < BLOCKS * (SIZE + 50) + HUGE_PAGE);
    for (int i = 0; i < BLOCKS; i++) alloc(&h, blocks[i], size, 0);
  }
  assert_true(resident() - before < BLOCKS * SIZE / 3);
  lp_heap_close(&h);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_buf_grows_and_shrinks),
      cmocka_unit_test(test_buf_takes_nothing),
      cmocka_unit_test(test_buf_refuses_too_much),
      cmocka_unit_test(test_list_order),
      cmocka_unit_test(test_list_walk_may_remove),
      cmocka_unit_test(test_list_join),
      cmocka_unit_test(test_error_kinds),
      cmocka_unit_test(test_error_codes_are_no_errno),
      cmocka_unit_test(test_alloc_is_zeroed),
      cmocka_unit_test(test_heap_for_lua),
      cmocka_unit_test(test_heap_has_a_limit),
      cmocka_unit_test(test_heap_tells_when_its_reserve_is_begun),
      cmocka_unit_test(test_heap_counts_what_libraries_hold),
      cmocka_unit_test(test_heap_keeps_what_is_in_it),
#ifdef LP_TEST_RESIDENT
      cmocka_unit_test(test_heap_gives_back),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
