/* bindings/http/client.h: a client: its limits, its connections and its cookies.
 *
 * Requests beyond the limits wait in queues here, not in curl, whose cost grows with what is in
 * a multi handle; for the same reason a host with many connections is spread over several.
 * Nothing is made before the first request. Layer: bindings. Owner: the Lua object, in open.c.
 */
#ifndef LPB_HTTP_CLIENT_H
#define LPB_HTTP_CLIENT_H

#include "bindings/http/host.h"
#include "bindings/http/http.h"
#include "bindings/http/multi.h"
#include "bindings/http/transfer.h"

/* The name of the class of the Lua object. */
#define LPB_HTTP_CLIENT "luapool.http.core.client"

typedef struct lpb_http_client {
  lpb_http_user user; /* of http */
  lpb_http *http;     /* NULL: nothing was requested yet, or closed */
  lpb_http_host_set hosts;
  lpb_http_multi **multis;
  int multi_count;
  CURLSH *shared;    /* cookies; NULL for none */
  lp_list transfers; /* all of them, idle or not */
  lp_list idle;
  lp_list waiting; /* kept back by `limit` */
  int running;     /* resolving or running */
  int limit, limit_per_host;
  bool cookies;
  bool closed;
} lpb_http_client;

/* Closed by lpb_http_client_close. */
void lpb_http_client_open(lpb_http_client *c, int limit, int limit_per_host, bool cookies);

/* A transfer for a new request, or NULL for want of memory or when the client is closed. */
lpb_http_transfer *lpb_http_client_take(lpb_http_client *c, lp_state *st);

/* Begins a request, or queues it. The transfer has its url. A failure ends the transfer. */
void lpb_http_client_start(lpb_http_transfer *t);

/* Takes a transfer out of wherever it is; no effect when it has ended. Never from a callback of
 * curl. */
void lpb_http_client_stop(lpb_http_transfer *t);

/* Stops it and keeps it for the next request. NULL is fine. */
void lpb_http_client_give(lpb_http_transfer *t);

/* Ends what is under way (those who wait get LP_ECLOSED) and closes everything. Safe twice. */
void lpb_http_client_close(lpb_http_client *c);

#endif
