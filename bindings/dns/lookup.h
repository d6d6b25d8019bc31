/* bindings/dns/lookup.h: asks c-ares for a name, or the system for a name that c-ares cannot
 * know. Layer: bindings. Owner: the resolver, whose entries embed it. */
#ifndef LPB_DNS_LOOKUP_H
#define LPB_DNS_LOOKUP_H

#include "bindings/dns/answer.h"
#include "bindings/dns/channel.h"

/* What is asked for: addresses of both families or of one, or, of an address, its name. */
typedef enum { LPB_DNS_ANY, LPB_DNS_IPV4, LPB_DNS_IPV6, LPB_DNS_NAME } lpb_dns_lookup_kind;

typedef struct lpb_dns_lookup {
  lpb_dns_channel *channel;
  lpb_dns_lookup_kind kind;
  /* In memory of the owner. */
  const char *name;
  lpb_dns_answer answer;
  /* The look-up of the system that is under way, or NULL. */
  uv_getaddrinfo_t *system;
  /* Called once for each start, perhaps before it returns, and perhaps inside c-ares. `status`
   * is 0, a negative code of libuv, or UV_ECANCELED when the channel gave the query up. */
  void (*ended)(struct lpb_dns_lookup *l, int status);
} lpb_dns_lookup;

/* An address, in any of the forms that inet_aton knows, is its own answer: it is set, and true
 * is returned. */
bool lpb_dns_lookup_is_address(lpb_dns_lookup *l);

/* Begins. The channel must be open. */
void lpb_dns_lookup_start(lpb_dns_lookup *l);

/* Gives back what it holds. `ended` is not called by the system's look-up any more. */
void lpb_dns_lookup_close(lpb_dns_lookup *l);

#endif
