/* bindings/http/multi.h: a multi handle of libcurl on the uv loop.
 *
 * Each descriptor has a poll. The poll stays armed between two transfers and is freed when curl
 * closes the descriptor. An event on a descriptor that no transfer uses, because its server
 * closed it, disarms the poll. Descriptors without a transfer do not keep the loop alive.
 * Layer: bindings. Owner: the client. */
#ifndef LPB_HTTP_MULTI_H
#define LPB_HTTP_MULTI_H

#include <curl/curl.h>

#include "runtime/loop/state.h"

typedef struct lpb_http_multi_poll lpb_http_multi_poll;

/* The polls of all descriptors that curl has open in one runtime. It outlives all multi
 * handles. */
typedef struct lpb_http_multi_polls {
  uv_loop_t *loop;
  /* The poll of each descriptor, or NULL; `cap` entries. */
  lpb_http_multi_poll **by_fd;
  size_t cap;
} lpb_http_multi_polls;

typedef struct lpb_http_multi {
  CURLM *curl;
  lp_state *st;
  lpb_http_multi_polls *polls;
  /* Starts, at the end of this turn of the loop, what tasks have begun in it. */
  lp_flush flush;
  /* `flush` runs now. */
  bool flushing;
  /* curl's timer. The struct is freed when it is closed. */
  uv_timer_t timer;
  /* How many transfers are in the handle. */
  int running;
  /* Called once for each transfer that ends by itself, after it has left the handle. */
  void (*done)(CURL *easy, CURLcode code);
} lpb_http_multi;

/* Makes a multi handle that keeps up to `keep` idle connections. Returns NULL for want of
 * memory. */
lpb_http_multi *lpb_http_multi_open(lp_state *st, lpb_http_multi_polls *polls, long keep,
                                    void (*done)(CURL *easy, CURLcode code));

/* What a transfer needs to make its sockets. */
typedef struct lpb_http_multi_opener {
  lpb_http_multi_polls *polls;
  /* Why the latest socket could not be made: a negative code, or 0. */
  int error;
} lpb_http_multi_opener;

/* Sets the options of an easy handle that tie its sockets to the opener's polls. */
void lpb_http_multi_prepare(lpb_http_multi_opener *opener, CURL *easy);

/* Begins a transfer, whose first bytes leave before the loop polls. Returns 0 or LP_EMEMORY. */
int lpb_http_multi_start(lpb_http_multi *m, CURL *easy);

/* Takes a transfer out before its end; `done` is not called. Callbacks of curl must not call
 * it. */
void lpb_http_multi_stop(lpb_http_multi *m, CURL *easy);

/* Closes the idle connections and frees the handle. No transfer may be in it. */
void lpb_http_multi_close(lpb_http_multi *m);

/* Frees all polls. No multi handle may use them any more. Safe twice. */
void lpb_http_multi_close_polls(lpb_http_multi_polls *polls);

#endif
