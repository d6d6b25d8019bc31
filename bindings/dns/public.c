/* bindings/dns/public.c: the registries of special addresses of IANA, as of 2025. Layer:
 * bindings. */
#include "bindings/dns/public.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

typedef struct network4 {
  uint8_t bytes[4];
  int bits;
} network4;

typedef struct network6 {
  uint8_t bytes[16];
  int bits;
} network6;

static bool is_within(const uint8_t *a, const uint8_t *network, int bits) {
  int whole = bits / 8, rest = bits % 8;
  if (memcmp(a, network, (size_t)whole) != 0) return false;
  return rest == 0 || (a[whole] ^ network[whole]) >> (8 - rest) == 0;
}

static bool is_public4(const uint8_t *a) {
  static const network4 special[] = {
      {{0}, 8},             /* this network */
      {{10}, 8},            /* private */
      {{100, 64}, 10},      /* shared: carrier-grade NAT */
      {{127}, 8},           /* loopback */
      {{169, 254}, 16},     /* link-local; metadata of clouds */
      {{172, 16}, 12},      /* private */
      {{192, 0, 0}, 24},    /* protocols of the IETF */
      {{192, 0, 2}, 24},    /* documentation */
      {{192, 88, 99}, 24},  /* relays of 6to4 */
      {{192, 168}, 16},     /* private */
      {{198, 18}, 15},      /* benchmarks */
      {{198, 51, 100}, 24}, /* documentation */
      {{203, 0, 113}, 24},  /* documentation */
      {{224}, 3},           /* multicast, reserved, broadcast */
  };
  for (size_t i = 0; i < sizeof special / sizeof *special; i++)
    if (is_within(a, special[i].bytes, special[i].bits)) return false;
  return true;
}

static bool is_public6(const uint8_t *a) {
  /* Networks whose addresses hold an IPv4 address, and where. */
  static const struct {
    network6 network;
    int at;
  } holders[] = {{{{[10] = 0xff, 0xff}, 96}, 12},      /* mapped */
                 {{{0x00, 0x64, 0xff, 0x9b}, 96}, 12}, /* NAT64 */
                 {{{0x20, 0x02}, 16}, 2}};             /* 6to4 */
  static const network6 global = {{0x20}, 3};
  static const network6 special[] = {
      {{0x20, 0x01}, 23},             /* protocols of the IETF, Teredo */
      {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
      {{0x3f, 0xff}, 20},             /* documentation */
  };
  for (size_t i = 0; i < sizeof holders / sizeof *holders; i++)
    if (is_within(a, holders[i].network.bytes, holders[i].network.bits))
      return is_public4(a + holders[i].at);
  for (size_t i = 0; i < sizeof special / sizeof *special; i++)
    if (is_within(a, special[i].bytes, special[i].bits)) return false;
  return is_within(a, global.bytes, global.bits);
}

bool lpb_dns_public_address(const struct sockaddr *address) {
  if (address->sa_family == AF_INET)
    return is_public4((const uint8_t *)&((const struct sockaddr_in *)address)->sin_addr);
  if (address->sa_family == AF_INET6)
    return is_public6(((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr);
  return false;
}
