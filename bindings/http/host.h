/* bindings/http/host.h: the URLs and hosts that a client knows: parsed and resolved once.
 *
 * A URL keeps its host alive, a host lives as long as one of the last URLs names it, so a crawl
 * of many hosts does not grow. Addresses come from uv_getaddrinfo: curl would make a thread for
 * each look-up. Layer: bindings. Owner: client.c. */
#ifndef LPB_HTTP_HOST_H
#define LPB_HTTP_HOST_H

#include <curl/curl.h>
#include <uv.h>

#include "runtime/base/list.h"

enum { LPB_HTTP_URLS = 256, LPB_HTTP_BUCKETS = 64 };

/* What a host has in one multi handle. */
typedef struct lpb_http_host_use {
  int running;         /* transfers under way there */
  unsigned generation; /* the generation of addresses that this multi handle was told */
} lpb_http_host_use;

/* One scheme, name and port. */
typedef struct lpb_http_host {
  lp_list link;                    /* in its bucket */
  lp_list waiting;                 /* transfers kept back by limit_per_host */
  lp_list resolving;               /* transfers that wait for its address */
  struct lpb_http_host_set *hosts; /* NULL: closed while a look-up was under way */
  int refs, running;
  lpb_http_host_use *uses;
  int use_count;
  char *addresses; /* as CURLOPT_RESOLVE takes them, or NULL: none needed or none yet */
  unsigned generation;
  uint64_t expires; /* uv_hrtime */
  bool literal;     /* an address or "localhost": nothing to look up */
  bool looking;
  bool large; /* its last body was */
  uv_getaddrinfo_t lookup;
  char *name, *port; /* in the key's memory */
  char key[];        /* scheme://name:port */
} lpb_http_host;

typedef struct lpb_http_host_url {
  int refs;
  CURLU *parsed;
  char *full; /* as curl writes it; curl's memory */
  lpb_http_host *host;
  size_t len;
  char text[];
} lpb_http_host_url;

typedef struct lpb_http_host_set {
  uv_loop_t *loop;
  lpb_http_host_url *urls[LPB_HTTP_URLS]; /* the last ones seen, by hash */
  lp_list buckets[LPB_HTTP_BUCKETS];
  /* A look-up has ended; `status` is 0 or a negative code of libuv. */
  void (*resolved)(lpb_http_host *host, int status);
} lpb_http_host_set;

void lpb_http_host_open(lpb_http_host_set *hs, uv_loop_t *loop,
                        void (*resolved)(lpb_http_host *host, int status));

/* Forgets everything; no transfer may be left. */
void lpb_http_host_close(lpb_http_host_set *hs);

/* The parsed URL, with a reference for the caller; NULL and the reason if it cannot be used.
 * Spaces and bytes beyond ASCII are percent-encoded after the host's name. */
lpb_http_host_url *lpb_http_host_find_url(lpb_http_host_set *hs, const char *text, size_t len,
                                          const char **why);

/* Gives a reference back; NULL is fine. */
void lpb_http_host_release(lpb_http_host_url *u);

/* The host's place in multi handle number `n`, or NULL for want of memory. */
lpb_http_host_use *lpb_http_host_in(lpb_http_host *h, int n);

/* Sees to it that the addresses are fresh. 1: they are; 0: `resolved` will be called; negative:
 * a code of libuv. */
int lpb_http_host_resolve(lpb_http_host *h);

/* A connection failed: look the name up again next time. */
void lpb_http_host_forget(lpb_http_host *h);

#endif
