/* bindings/http/host.h: the URLs and hosts that a client knows. Each is parsed and resolved
 * once.
 *
 * A URL keeps its host alive. A host lives as long as one of the latest URLs names it, so the
 * memory does not grow during a crawl of many hosts. The resolver of the runtime finds the
 * addresses, because curl would make a thread for each look-up. Layer: bindings. Owner: the
 * client. */
#ifndef LPB_HTTP_HOST_H
#define LPB_HTTP_HOST_H

#include <curl/curl.h>
#include <uv.h>

#include "bindings/dns/resolver.h"
#include "runtime/base/list.h"

/* How many of the latest URLs are kept, and in how many lists the hosts stand. */
enum { LPB_HTTP_URLS = 256, LPB_HTTP_BUCKETS = 64 };

/* What a host does in one multi handle. */
typedef struct lpb_http_host_use {
  /* How many transfers run there. */
  int running;
  /* How many of them may share a connection (HTTP/2) and are not connected yet. */
  int opening;
  /* How many of them may share one and are connected. */
  int sharing;
  /* A shared connection has stalled: no transfer joins it while others are still on it. */
  bool stalled;
  /* The generation of the addresses that this multi handle has. */
  unsigned generation;
} lpb_http_host_use;

/* One scheme, name and port. */
typedef struct lpb_http_host {
  /* Its place in its bucket. */
  lp_list link;
  /* Transfers that wait because limit_per_host is reached. */
  lp_list waiting;
  /* Transfers that wait for the host's addresses. */
  lp_list resolving;
  /* Transfers that wait for the connection that another one opens, to share it. */
  lp_list joining;
  struct lpb_http_host_set *hosts;
  /* How many URLs hold the host. */
  int refs;
  /* How many transfers resolve or run. */
  int running;
  /* When one of them ended, as uv_hrtime counts; 0 before that. */
  uint64_t moved;
  /* What the host does in each multi handle, by the handle's index. */
  lpb_http_host_use *uses;
  int use_count;
  /* The addresses as CURLOPT_RESOLVE takes them; NULL when none are known or needed. */
  char *addresses;
  /* Counts how often the addresses were looked up. */
  unsigned generation;
  /* When the addresses must be looked up again, as uv_hrtime counts. */
  uint64_t expires;
  /* The name is an address or "localhost", so nothing is looked up. */
  bool literal;
  /* The last body that the host sent was large. */
  bool large;
  lpb_dns_resolver_query lookup;
  /* Both point into the memory of `key`. */
  char *name, *port;
  /* "scheme://name:port" */
  char key[];
} lpb_http_host;

typedef struct lpb_http_host_url {
  /* How many transfers hold the URL, and the cache. */
  int refs;
  /* It is the URL of a proxy. */
  bool proxy;
  CURLU *parsed;
  /* The URL as curl writes it, in curl's memory. */
  char *full;
  lpb_http_host *host;
  /* The URL as the script gave it. */
  size_t len;
  char text[];
} lpb_http_host_url;

typedef struct lpb_http_host_set {
  lp_state *st;
  /* The latest URLs, by their hash. */
  lpb_http_host_url *urls[LPB_HTTP_URLS];
  /* All hosts, by their hash. */
  lp_list buckets[LPB_HTTP_BUCKETS];
  /* Called when a look-up has ended. `status` is 0 or a negative code of libuv. */
  void (*resolved)(lpb_http_host *host, int status);
} lpb_http_host_set;

void lpb_http_host_open(lpb_http_host_set *hs, lp_state *st,
                        void (*resolved)(lpb_http_host *host, int status));

/* Forgets all URLs and hosts. No transfer may be left. */
void lpb_http_host_close(lpb_http_host_set *hs);

/* Returns the parsed URL, with a reference for the caller; NULL and the reason when it cannot
 * be used. Spaces and bytes beyond ASCII are percent-encoded after the host's name. */
lpb_http_host_url *lpb_http_host_find_url(lpb_http_host_set *hs, const char *text, size_t len,
                                          const char **why);

/* The same for the URL of a proxy: it may have no scheme, or one of SOCKS, and other ports are
 * understood. */
lpb_http_host_url *lpb_http_host_find_proxy(lpb_http_host_set *hs, const char *text, size_t len,
                                            const char **why);

/* Sets the host of a URL as DNS has it when its name is an international one. Returns NULL, or
 * a text that says why it cannot. */
const char *lpb_http_host_encode(CURLU *url);

/* Gives a reference to a URL back. NULL is fine. */
void lpb_http_host_release(lpb_http_host_url *u);

/* Returns what the host does in the multi handle with index `n`; NULL for want of memory. */
lpb_http_host_use *lpb_http_host_in(lpb_http_host *h, int n);

/* Makes sure that the addresses are fresh. Returns 1 when they are, 0 when `resolved` will be
 * called, or a negative code of libuv. */
int lpb_http_host_resolve(lpb_http_host *h);

/* Adds the addresses to the list for CURLOPT_RESOLVE, unless the multi handle with index `n`
 * was told them already. Returns 0 or LP_EMEMORY. */
int lpb_http_host_tell(lpb_http_host *h, int n, struct curl_slist **list);

/* The next request looks the name up again, because a connection has failed. */
void lpb_http_host_forget(lpb_http_host *h);

#endif
