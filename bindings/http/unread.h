/* bindings/http/unread.h: streams that nobody reads.
 *
 * A stream that was dropped holds its place in the client until it is collected. Layer:
 * bindings. Owner: lpb_http_client. */
#ifndef LPB_HTTP_UNREAD_H
#define LPB_HTTP_UNREAD_H

#include "runtime/base/list.h"
#include "runtime/loop/state.h"
#include "runtime/loop/timer.h"

/* It has the collector run while transfers of a client are in a queue. */
typedef struct lpb_http_unread {
  /* NULL while it has nothing to do, and once the client is closed. */
  lp_state *st;
  /* All transfers of the client, by their `all`. */
  const lp_list *transfers;
  /* How many of them are in a queue. */
  const int *queued;
  lp_timer timer;
  /* Seconds until the next collection. */
  double after;
} lpb_http_unread;

/* Returns how many streams hold a place although no task waits for them. */
int lpb_http_unread_count(const lp_list *transfers);

/* Lets the collector run from now on, for as long as transfers wait for a place. */
void lpb_http_unread_collect(lpb_http_unread *u, lp_state *st);

/* The client is closed. Safe on a zeroed struct, safe twice. */
void lpb_http_unread_close(lpb_http_unread *u);

#endif
