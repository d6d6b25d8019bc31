/* bindings/http/address.c: what scripts ask of addresses, as texts. Layer: bindings. */
#include "bindings/http/address.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/dns/public.h"

/* The bytes of an address. Returns how many, or 0 when the text is no address. */
static int parse(const char *text, uint8_t bytes[16]) {
  if (inet_pton(AF_INET, text, bytes) == 1) return 4;
  return inet_pton(AF_INET6, text, bytes) == 1 ? 16 : 0;
}

int lpb_http_address_is_public(lua_State *L) {
  const char *text = luaL_checkstring(L, 1);
  struct sockaddr_in6 a = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET6, text, &a.sin6_addr) != 1) {
    a.sin6_family = AF_INET;
    if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr) != 1) return 0;
  }
  lua_pushboolean(L, lpb_dns_public_address((struct sockaddr *)&a));
  return 1;
}

/* Cuts "/bits" off. Returns the bits, `all` without any, or -1 when they make no sense. */
static int cut_bits(char *network, int all) {
  char *slash = strchr(network, '/'), *end;
  if (!slash) return all;
  long bits = strtol(slash + 1, &end, 10);
  if (end == slash + 1 || *end || bits < 0 || bits > all) return -1;
  *slash = 0;
  return (int)bits;
}

static bool is_within(const char *address, const char *network) {
  uint8_t a[16], b[16];
  char text[INET6_ADDRSTRLEN + sizeof "/128"];
  int size = parse(address, a);
  if (!size || strlen(network) >= sizeof text) return false;
  int bits = cut_bits(strcpy(text, network), size * 8);
  if (bits < 0 || parse(text, b) != size || memcmp(a, b, (size_t)bits / 8) != 0) return false;
  return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

int lpb_http_address_within(lua_State *L) {
  lua_pushboolean(L, is_within(luaL_checkstring(L, 1), luaL_checkstring(L, 2)));
  return 1;
}
