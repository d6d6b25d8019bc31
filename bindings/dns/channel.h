/* bindings/dns/channel.h: a channel of c-ares on the uv loop: its sockets and its settings.
 *
 * The channel is made from the files of the system (resolv.conf, nsswitch.conf, hosts). Its
 * sockets do not keep the loop alive; the timer of its owner does, as long as somebody waits.
 * Layer: bindings. Owner: the resolver. */
#ifndef LPB_DNS_CHANNEL_H
#define LPB_DNS_CHANNEL_H

#include <ares.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <uv.h>

#include "runtime/base/list.h"

/* How many files of the system say how names are looked up. */
enum { LPB_DNS_CHANNEL_FILES = 3 };

typedef struct lpb_dns_channel {
  uv_loop_t *loop;
  /* NULL when it could not be made. */
  ares_channel ares;
  /* One for each socket of c-ares. */
  lp_list polls;
  /* The files as they were when the channel was made. */
  struct stat files[LPB_DNS_CHANNEL_FILES];
  /* nsswitch.conf names sources that c-ares does not have: mdns4, myhostname, nis. */
  bool more;
  /* Called after c-ares has worked on what a socket brought. */
  void (*worked)(struct lpb_dns_channel *c);
} lpb_dns_channel;

/* Makes the channel; returns 0 or a code of c-ares. lpb_dns_channel_close is due in any case.
 */
int lpb_dns_channel_open(lpb_dns_channel *c, uv_loop_t *loop,
                         void (*worked)(lpb_dns_channel *c));

/* Ends all queries: their callbacks get ARES_EDESTRUCTION. Safe twice. */
void lpb_dns_channel_close(lpb_dns_channel *c);

/* Tells whether a file of the system has changed since the channel was made. */
bool lpb_dns_channel_outdated(const lpb_dns_channel *c);

/* Lets c-ares repeat or end the queries that are due. */
void lpb_dns_channel_tick(lpb_dns_channel *c);

/* Returns the milliseconds until a query is due; -1 when there is none. */
int64_t lpb_dns_channel_due(const lpb_dns_channel *c);

#endif
