/* bindings/http_client.h: a client: its limits, its connections and its cookies.
 *
 * Requests beyond the limits wait in queues here, not in curl, whose cost grows with what is in
 * a multi handle; for the same reason a host with many connections is spread over several.
 * Nothing is made before the first request. Layer: bindings. Owner: the Lua object, in http.c.
 */
#ifndef LP_BINDINGS_HTTP_CLIENT_H
#define LP_BINDINGS_HTTP_CLIENT_H

#include "bindings/http_host.h"
#include "bindings/http_multi.h"
#include "bindings/http_transfer.h"

#define LP_HTTP_AGENT     "luapool/" LP_VERSION
#define LP_HTTP_ENCODINGS "gzip, br"

/* Of a runtime: lp_state.http. */
typedef struct lp_http {
  lp_state *st;
  lp_http_polls polls;
  lp_list clients;
  struct curl_slist
      *headers; /* of a request that names none: cheaper than curl's options for them */
  bool proxied; /* the environment names a proxy: it looks names up */
} lp_http;

typedef struct lp_http_client {
  lp_list link;  /* in http->clients */
  lp_http *http; /* NULL: nothing was requested yet, or closed */
  lp_http_hosts hosts;
  lp_http_multi **multis;
  int multi_count;
  CURLSH *shared;    /* cookies; NULL for none */
  lp_list transfers; /* all of them, idle or not */
  lp_list idle;
  lp_list waiting; /* kept back by `limit` */
  int running;     /* resolving or running */
  int limit, limit_per_host;
  bool cookies;
  bool closed;
} lp_http_client;

/* Closed by lp_http_client_close. */
void lp_http_client_open(lp_http_client *c, int limit, int limit_per_host, bool cookies);

/* A transfer for a new request, or NULL for want of memory or when the client is closed. */
lp_http_transfer *lp_http_client_take(lp_http_client *c, lp_state *st);

/* Begins a request, or queues it. The transfer has its url. A failure ends the transfer. */
void lp_http_client_start(lp_http_transfer *t);

/* Takes a transfer out of wherever it is; no effect when it has ended. Never from a callback of
 * curl. */
void lp_http_client_stop(lp_http_transfer *t);

/* Stops it and keeps it for the next request. NULL is fine. */
void lp_http_client_give(lp_http_transfer *t);

/* Ends what is under way (those who wait get LP_ECLOSED) and closes everything. Safe twice. */
void lp_http_client_close(lp_http_client *c);

#endif
