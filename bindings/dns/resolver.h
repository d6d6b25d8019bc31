/* bindings/dns/resolver.h: the one way to look names up: for HTTP, luapool.dns and LuaSocket's
 * dns.
 *
 * Each runtime has a resolver, on c-ares and its own loop, so a look-up that never answers
 * holds up no other one. All that ask for the same name share one look-up; who stops waiting
 * leaves it alone. What was found is remembered for its time to live, what does not exist for 5
 * s. Layer: bindings. Owner: the runtime, as one of its parts. */
#ifndef LPB_DNS_RESOLVER_H
#define LPB_DNS_RESOLVER_H

#include "bindings/dns/lookup.h"
#include "runtime/base/list.h"
#include "runtime/loop/state.h"

/* Who waits for an answer. */
typedef struct lpb_dns_resolver_query {
  /* Its place among those that wait for the same answer. */
  lp_list link;
  /* NULL when it does not wait. */
  struct lpb_dns_resolver *resolver;
  /* Called once, when the look-up has ended. The answer is valid during the call. */
  void (*done)(struct lpb_dns_resolver_query *q, const lpb_dns_answer *answer);
} lpb_dns_resolver_query;

/* Asks for a name. Returns the answer when it is known, valid until the next call; else NULL,
 * and q->done will be called. A name beyond ASCII is taken as UTF-8. */
const lpb_dns_answer *lpb_dns_resolver_ask(lp_state *st, lpb_dns_resolver_query *q,
                                           const char *name, lpb_dns_lookup_kind kind);

/* Stops waiting: q->done is not called. No effect when it does not wait; safe on a zeroed
 * query. */
void lpb_dns_resolver_stop(lpb_dns_resolver_query *q);

#endif
