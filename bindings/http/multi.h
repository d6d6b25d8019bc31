/* bindings/http/multi.h: a multi handle of libcurl on the uv loop.
 *
 * A descriptor's poll stays armed between transfers and is freed when curl closes the
 * descriptor; an event on one that no transfer owns (its server closed it) disarms it. Idle
 * descriptors do not keep the loop alive. Layer: bindings. Owner: client.c. */
#ifndef LPB_HTTP_MULTI_H
#define LPB_HTTP_MULTI_H

#include <curl/curl.h>

#include "runtime/loop/state.h"

typedef struct lpb_http_multi_poll lpb_http_multi_poll;

/* The descriptors that curl has open in one runtime. It outlives all of its multi handles. */
typedef struct lpb_http_multi_polls {
  uv_loop_t *loop;
  lpb_http_multi_poll **by_fd;
  size_t cap;
} lpb_http_multi_polls;

typedef struct lpb_http_multi {
  CURLM *curl;
  lp_state *st;
  lpb_http_multi_polls *polls;
  lp_flush flush;   /* sends what was started in this turn of the loop */
  bool flushing;    /* its run is under way */
  uv_timer_t timer; /* curl's; the struct is freed with it */
  int running;      /* transfers begun and not ended */
  void (*done)(CURL *easy, CURLcode code);
} lpb_http_multi;

/* Makes a multi handle that keeps up to `keep` idle connections. `done` is called once for each
 * transfer that ends by itself, after it has left the multi handle. NULL for want of memory. */
lpb_http_multi *lpb_http_multi_open(lp_state *st, lpb_http_multi_polls *polls, long keep,
                                    void (*done)(CURL *easy, CURLcode code));

/* What a transfer needs to make its sockets. */
typedef struct lpb_http_multi_opener {
  lpb_http_multi_polls *polls;
  int error; /* a negative code: why the latest one could not be made */
} lpb_http_multi_opener;

/* Sets the options of an easy handle that tie its sockets to the opener's polls. */
void lpb_http_multi_prepare(lpb_http_multi_opener *opener, CURL *easy);

/* Begins a transfer; its first bytes leave before the loop polls. Returns 0 or LP_EMEMORY. */
int lpb_http_multi_start(lpb_http_multi *m, CURL *easy);

/* Takes a transfer out before its end; `done` is not called. Never from a callback of curl. */
void lpb_http_multi_stop(lpb_http_multi *m, CURL *easy);

/* Closes the kept connections and frees the handle, which no transfer may be in. */
void lpb_http_multi_close(lpb_http_multi *m);

/* Gives the table back, when no multi handle uses it. Safe twice. */
void lpb_http_multi_close_polls(lpb_http_multi_polls *polls);

#endif
