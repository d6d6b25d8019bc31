/* Which addresses are public. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "bindings/dns/public.h"

static bool is_public(const char *text) {
  struct sockaddr_in6 a = {0};
  void *bytes = &a.sin6_addr;
  a.sin6_family = strchr(text, ':') ? AF_INET6 : AF_INET;
  if (a.sin6_family == AF_INET) bytes = &((struct sockaddr_in *)&a)->sin_addr;
  assert_int_equal(inet_pton(a.sin6_family, text, bytes), 1);
  return lpb_dns_public_address((struct sockaddr *)&a);
}

static void test_public(void **state) {
  (void)state;
  static const char *const all[] = {"1.1.1.1",         "8.8.8.8",        "9.255.255.255",
                                    "11.0.0.0",        "100.63.255.255", "100.128.0.0",
                                    "126.255.255.255", "128.0.0.0",      "172.15.0.1",
                                    "172.32.0.0",      "192.0.1.1",      "192.167.0.1",
                                    "198.17.0.1",      "198.20.0.1",     "223.255.255.255",
                                    "2606:4700::",     "2001:200::1",    "2a00:1450::8844",
                                    "2002:808:808::",  "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (!is_public(all[i])) fail_msg("%s is public", all[i]);
}

static void test_special(void **state) {
  (void)state;
  static const char *const all[] = {"0.0.0.0",
                                    "0.1.2.3",
                                    "10.0.0.1",
                                    "10.255.255.255",
                                    "100.64.0.0",
                                    "100.127.0.1",
                                    "127.0.0.1",
                                    "127.255.255.254",
                                    "169.254.169.254",
                                    "172.16.0.1",
                                    "172.31.0.1",
                                    "192.0.0.8",
                                    "192.0.2.1",
                                    "192.168.0.1",
                                    "198.18.0.1",
                                    "198.19.0.1",
                                    "224.0.0.1",
                                    "239.1.1.1",
                                    "240.0.0.1",
                                    "255.255.255.255",
                                    "192.88.99.1",
                                    "203.0.113.9",
                                    "198.51.100.7",
                                    "::",
                                    "::1",
                                    "fe80::1",
                                    "fc00::1",
                                    "fd12:3456::1",
                                    "ff02::1",
                                    "fec0::1",
                                    "2001::1",
                                    "2001:db8::1",
                                    "2002:7f00:1::",
                                    "2002:a00:1::1",
                                    "2002:c0a8:1::",
                                    "::ffff:127.0.0.1",
                                    "::ffff:10.0.0.1",
                                    "::ffff:169.254.169.254",
                                    "::127.0.0.1",
                                    "64:ff9b::10.0.0.1",
                                    "64:ff9b:1::1",
                                    "3fff::1",
                                    "100::1",
                                    "5f00::1",
                                    "::ffff:0:8.8.8.8"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    if (is_public(all[i])) fail_msg("%s is not public", all[i]);
  const struct sockaddr other = {.sa_family = AF_UNIX};
  assert_false(lpb_dns_public_address(&other));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_public),
      cmocka_unit_test(test_special),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
