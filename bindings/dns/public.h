/* bindings/dns/public.h: which addresses lead out into the public network. Layer: bindings. */
#ifndef LPB_DNS_PUBLIC_H
#define LPB_DNS_PUBLIC_H

#include <stdbool.h>
#include <sys/socket.h>

/* Tells whether an address is one of the public network: neither private, loopback, link-local,
 * shared, multicast nor reserved. An IPv4 address within an IPv6 one (mapped, 6to4, NAT64) is
 * judged as itself. */
bool lpb_dns_public_address(const struct sockaddr *address);

#endif
