/* URLs and hosts of an HTTP client: what is accepted, what is shared, what is let go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <dlfcn.h>

#include "bindings/http/host.h"
#include "bindings/http/http.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "tests/support/clean.h"

/* In place of libcurl's, for all that this program has in it. */
static bool no_memory;
struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text) {
  struct curl_slist *(*real)(struct curl_slist *, const char *);
  *(void **)&real = dlsym(RTLD_NEXT, "curl_slist_append");
  return no_memory ? NULL : real(list, text);
}

static lpb_http_host_set hosts;
static lp_state st;

static void resolved(lpb_http_host *h, int status) {
  (void)h, (void)status;
}

static int setup(void **state) {
  int rc = clean_setup(state);
  clean *t = *state;
  if (rc == 0) rc = lp_state_open(&st, &(lp_state_options){.loop = &t->loop});
  lpb_http_host_open(&hosts, &st, resolved);
  return rc;
}

/* Nothing may be left in the loop. */
static int teardown(void **state) {
  lpb_http_host_close(&hosts);
  lpb_http_host_close(&hosts);
  lp_state_close(&st);
  return clean_teardown(state);
}

static lpb_http_host_url *find(const char *text, const char **why) {
  return lpb_http_host_find_url(&hosts, text, strlen(text), why);
}

static void refuses_what_is_no_url(void **state) {
  (void)state;
  static const char *const bad[] = {"",           "x",           "ftp://a/",    "file:///etc",
                                    "http://",    "http://a b/", "http://a/\t", "//a/b",
                                    "http://a:x/"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *why = NULL;
    assert_null(find(bad[i], &why));
    assert_non_null(why);
  }
  const char *why = NULL;
  assert_null(lpb_http_host_find_url(&hosts, "http://a/\0b", 11, &why));
}

static void encodes_behind_the_host(void **state) {
  (void)state;
  const char *why = NULL;
  lpb_http_host_url *u = find("http://a/x y?q=\xc3\xa4", &why);
  assert_null(why);
  assert_string_equal(u->full, "http://a/x%20y?q=%C3%A4");
  lpb_http_host_release(u);
}

/* In the locale "C", as here. */
static void encodes_international_names(void **state) {
  (void)state;
  static const struct {
    const char *url, *full;
  } rows[] = {
      {"http://b\xc3\xbc"
       "cher.example/",
       "http://xn--bcher-kva.example/"},
      {"http://B\xc3\x9c"
       "CHER.example:81/\xc3\xbc",
       "http://xn--bcher-kva.example:81/%C3%BC"},
      {"http://u:p@b%C3%BC"
       "cher.example/",
       "http://u:p@xn--bcher-kva.example/"},
      {"http://fa\xc3\x9f.example/", "http://xn--fa-hia.example/"},
      {"http://\xe4\xbe\x8b\xe3\x80\x82\xe6\xb5\x8b\xe8\xaf\x95/",
       "http://xn--fsq.xn--0zwm56d/"},
      {"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", "http://127.0.0.1/"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const char *why = NULL;
    lpb_http_host_url *u = find(rows[i].url, &why);
    assert_null(why);
    assert_string_equal(u->full, rows[i].full);
    lpb_http_host_release(u);
  }
  static const char *const bad[] = {"http://b\xfc"
                                    "cher.example/",
                                    "http://\xed\xa0\x80.example/",
                                    "http://a\xe2\x81\x84@b.example\xef\xbc\x8f.example/"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *why = NULL;
    assert_null(find(bad[i], &why));
    assert_string_equal(why, "the host's name is no name in UTF-8");
  }
}

static void shares_urls_and_hosts(void **state) {
  (void)state;
  const char *why = NULL;
  lpb_http_host_url *a = find("http://a/1", &why), *b = find("http://A:80/2", &why);
  lpb_http_host_url *c = find("https://a/1", &why), *again = find("http://a/1", &why);
  assert_ptr_equal(a, again);
  assert_ptr_equal(a->host, b->host);
  assert_ptr_not_equal(a->host, c->host);
  lpb_http_host_url *all[] = {a, b, c, again};
  for (int i = 0; i < 4; i++) lpb_http_host_release(all[i]);
}

/* A crawl: only as many hosts are known as URLs are remembered. */
static void forgets_hosts(void **state) {
  (void)state;
  for (int i = 0; i < 5000; i++) {
    char text[64];
    const char *why = NULL;
    snprintf(text, sizeof text, "http://host-%d/", i);
    lpb_http_host_release(find(text, &why));
    assert_null(why);
  }
  int known = 0;
  for (int i = 0; i < LPB_HTTP_BUCKETS; i++)
    lp_list_each (link, &hosts.buckets[i]) known++;
  assert_in_range(known, 1, LPB_HTTP_URLS);
}

static void knows_what_needs_no_lookup(void **state) {
  (void)state;
  static const struct {
    const char *url;
    bool literal;
  } rows[] = {{"http://127.0.0.1/", true},     {"http://[::1]:8080/", true},
              {"http://localhost/", true},     {"http://a.localhost:1/", true},
              {"http://notlocalhost/", false}, {"http://example.com/", false}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const char *why = NULL;
    lpb_http_host_url *u = find(rows[i].url, &why);
    assert_int_equal(u->host->literal, rows[i].literal);
    if (rows[i].literal) assert_int_equal(lpb_http_host_resolve(u->host), 1);
    lpb_http_host_release(u);
  }
}

/* libcurl has no memory for one line more: the list stays as it is, and its owner's. */
static void keeps_the_list_without_memory(void **state) {
  (void)state;
  const char *why = NULL;
  lpb_http_host_url *u = find("http://example.com/", &why);
  struct curl_slist *list = NULL;
  u->host->addresses = lp_alloc_new(64);
  strcpy(u->host->addresses, "+example.com:80:127.0.0.1");
  u->host->generation++;
  assert_int_equal(lpb_http_add_line(&list, "A: 1"), CURLE_OK);
  no_memory = true;
  assert_int_equal(lpb_http_add_line(&list, "B: 2"), CURLE_OUT_OF_MEMORY);
  assert_int_equal(lpb_http_host_tell(u->host, 0, &list), LP_EMEMORY);
  no_memory = false;
  assert_string_equal(list->data, "A: 1");
  assert_null(list->next);
  assert_int_equal(lpb_http_host_tell(u->host, 0, &list), 0);
  assert_string_equal(list->next->data, u->host->addresses);
  curl_slist_free_all(list);
  lpb_http_host_release(u);
}

/* The look-up ends after everything is closed. */
static void closes_while_looking_up(void **state) {
  (void)state;
  const char *why = NULL;
  lpb_http_host_url *u = find("http://nobody.invalid/", &why);
  assert_int_equal(lpb_http_host_resolve(u->host), 0);
  assert_int_equal(lpb_http_host_resolve(u->host), 0);
  lpb_http_host_release(u);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(refuses_what_is_no_url, setup, teardown),
      cmocka_unit_test_setup_teardown(encodes_behind_the_host, setup, teardown),
      cmocka_unit_test_setup_teardown(encodes_international_names, setup, teardown),
      cmocka_unit_test_setup_teardown(shares_urls_and_hosts, setup, teardown),
      cmocka_unit_test_setup_teardown(forgets_hosts, setup, teardown),
      cmocka_unit_test_setup_teardown(knows_what_needs_no_lookup, setup, teardown),
      cmocka_unit_test_setup_teardown(keeps_the_list_without_memory, setup, teardown),
      cmocka_unit_test_setup_teardown(closes_while_looking_up, setup, teardown),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
