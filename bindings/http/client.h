/* bindings/http/client.h: a client with its limits and its connections.
 *
 * Requests beyond the limits wait in queues of the client and not in curl, because curl's cost
 * grows with the number of transfers in a multi handle. For the same reason the connections to
 * one host are spread over several multi handles. The client makes nothing before its first
 * request. Layer: bindings. Owner: the Lua object, which open.c makes. */
#ifndef LPB_HTTP_CLIENT_H
#define LPB_HTTP_CLIENT_H

#include "bindings/http/host.h"
#include "bindings/http/http.h"
#include "bindings/http/multi.h"
#include "bindings/http/transfer.h"
#include "bindings/http/unread.h"

/* The name of the class of the Lua object. */
#define LPB_HTTP_CLIENT "luapool.http.core.client"

enum { LPB_HTTP_STATUSES = 600 };

/* What has become of all requests so far, redirections included. */
typedef struct lpb_http_client_counts {
  uint64_t requests;
  /* How many ended without an answer. */
  uint64_t failed;
  uint64_t connections;
  /* Bytes of bodies, as they go over the connection. */
  uint64_t sent, received;
  /* How many answers had each status. */
  uint32_t statuses[LPB_HTTP_STATUSES];
} lpb_http_client_counts;

typedef struct lpb_http_client {
  /* Its place in http->users. */
  lpb_http_user user;
  /* NULL before the first request and after the client is closed. */
  lpb_http *http;
  /* The URLs and hosts of its requests. */
  lpb_http_host_set hosts;
  /* The multi handles, made one by one as hosts need them. */
  lpb_http_multi **multis;
  int multi_count;
  /* All transfers, by their `all`. */
  lp_list transfers;
  /* Transfers that no request uses, by their `link`. The last one was used last. */
  lp_list idle;
  /* Transfers that wait because `limit` is reached, by their `link`. */
  lp_list waiting;
  /* Transfers whose connection is open now, which begin in the next turn of the loop, by their
   * `link`. */
  lp_list joined;
  lp_flush join;
  /* How many transfers are in a queue. */
  int queued;
  /* How many transfers resolve, join a connection or run. */
  int running;
  /* When one of them ended, as uv_hrtime counts; 0 before that. */
  uint64_t moved;
  /* Collects streams that nobody holds any more, while transfers are in a queue. */
  lpb_http_unread unread;
  /* How many may run at once. */
  int limit;
  /* How many may run at once to one host; 0 when only `limit` counts. */
  int limit_per_host;
  bool closed;
  lpb_http_client_counts counts;
} lpb_http_client;

/* Fills the struct in. lpb_http_client_close gives everything back. */
void lpb_http_client_open(lpb_http_client *c, int limit, int limit_per_host);

/* Makes what the first request of a client that is not closed needs, if it is not there.
 * Returns 0 or LP_EMEMORY. */
int lpb_http_client_begin(lpb_http_client *c, lp_state *st);

/* Returns a transfer for a new request; NULL for want of memory and when the client is closed.
 */
lpb_http_transfer *lpb_http_client_take(lpb_http_client *c, lp_state *st);

/* Begins the request of a transfer that has its url, or queues it. A failure ends the transfer.
 */
void lpb_http_client_start(lpb_http_transfer *t);

/* Returns the seconds that the transfer may go on as it does, and 0 or less when it has used up
 * its time: in a queue, as a whole, or without a byte (then it is marked as stalled). */
double lpb_http_client_left(lpb_http_transfer *t);

/* Takes a transfer out of the queue or of curl, wherever it is. It has no effect when the
 * transfer has ended. Callbacks of curl must not call it. */
void lpb_http_client_stop(lpb_http_transfer *t);

/* Called when a transfer was stopped because it took too long: when its connection is one of
 * HTTP/2, and nothing came on it for half of that time, no other transfer will use it. */
void lpb_http_client_suspect(lpb_http_transfer *t);

/* Stops the transfer and keeps it for the next request. NULL is fine. */
void lpb_http_client_give(lpb_http_transfer *t);

/* Ends all transfers, whose tasks get LP_ECLOSED, and closes everything. Safe twice. */
void lpb_http_client_close(lpb_http_client *c);

#endif
