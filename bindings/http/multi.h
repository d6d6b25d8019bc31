/* bindings/http/multi.h: a multi handle of libcurl on the uv loop.
 *
 * Each descriptor has a poll. The poll stays armed between two transfers and is freed when curl
 * closes the descriptor. A connection on which something comes while no transfer uses it is
 * shut down: the next request must not take it for its answer. Descriptors without a transfer
 * do not keep the loop alive. Layer: bindings. Owner: the client. */
#ifndef LPB_HTTP_MULTI_H
#define LPB_HTTP_MULTI_H

#include <curl/curl.h>
#include <stdbool.h>

#include "bindings/http/flood.h"
#include "runtime/base/list.h"
#include "runtime/loop/state.h"

typedef struct lpb_http_multi_poll lpb_http_multi_poll;

/* The polls of all descriptors that curl has open in one runtime. It outlives all multi
 * handles. */
typedef struct lpb_http_multi_polls {
  uv_loop_t *loop;
  lp_state *st;
  /* The poll of each descriptor, or NULL; `cap` entries. */
  lpb_http_multi_poll **by_fd;
  size_t cap;
  /* Watches the connections of HTTP/2. */
  lpb_http_flood flood;
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
  /* The polls of connections that have become idle since the last flush. */
  lp_list idle;
  /* The users of transfers that a task began in a step and curl does not have yet: each needs
   * some 40 us, so `flush` hands over as many as there is time for. */
  lp_list begun;
  /* How many transfers are in the handle, those of `begun` among them. */
  int running;
  /* Called once for each transfer that ends by itself, after it has left the handle. */
  void (*done)(CURL *easy, CURLcode code);
} lpb_http_multi;

/* Makes a multi handle that keeps up to `keep` idle connections. Returns NULL for want of
 * memory. */
lpb_http_multi *lpb_http_multi_open(lp_state *st, lpb_http_multi_polls *polls, long keep,
                                    void (*done)(CURL *easy, CURLcode code));

/* The address that a socket was for is refused: by `allow`, by the host of the runtime. */
enum { LPB_HTTP_MULTI_REFUSED = -11200, LPB_HTTP_MULTI_DENIED = -11204 };

/* What the multi handles know of an easy handle, whose CURLOPT_PRIVATE points to it. Owner: the
 * transfer, which embeds it. */
typedef struct lpb_http_multi_user {
  lpb_http_multi_polls *polls;
  CURL *easy;
  /* In lpb_http_multi.begun, or in no list. */
  lp_list link;
  /* Tells whether the transfer may connect to an address; NULL: to any. */
  bool (*allow)(const struct sockaddr *address);
  /* Called when a socket is made for the transfer. */
  void (*opening)(struct lpb_http_multi_user *user);
  /* Why the latest socket could not be made: a negative code, or 0. */
  int error;
  /* Tells the connections of one host from those of others. */
  const void *group;
  /* It may share a connection with others: HTTP/2 was asked for. */
  bool shares;
  /* A socket was made for the request, which had no kept connection. */
  bool opened;
  /* curl was told to wait until more of the body is wanted. */
  bool paused;
  /* curl has said, since the transfer was begun, which descriptor it waits for. */
  bool announced;
} lpb_http_multi_user;

/* Tells why the transfer may not connect to an address: a code of above, or 0. */
int lpb_http_multi_judge(const lpb_http_multi_user *user, const struct sockaddr *address);

/* Sets the options of an easy handle that tie it to the user and its sockets to the polls. */
void lpb_http_multi_prepare(lpb_http_multi_user *user, CURL *easy);

/* Returns the user of an easy handle; NULL when curl has made the handle for itself. */
lpb_http_multi_user *lpb_http_multi_user_of(CURL *easy);

/* Begins a transfer, whose first bytes leave before the loop polls, or in a later step when
 * this one has no time left. Returns 0 or LP_EMEMORY; `done` may be told that later. */
int lpb_http_multi_start(lpb_http_multi *m, CURL *easy);

/* Notes, in a callback of curl, that the transfer has been paused. */
void lpb_http_multi_pause(lpb_http_multi_user *user, CURL *easy);

/* Takes a transfer out before its end; `done` is not called. Callbacks of curl must not call
 * it. */
void lpb_http_multi_stop(lpb_http_multi *m, CURL *easy);

/* Lets no transfer use the connections of a group again that were silent for so many seconds,
 * if they are of HTTP/2. Returns true when some are still in use. */
bool lpb_http_multi_retire(lpb_http_multi *m, const void *group, double seconds);

/* Closes the idle connections and frees the handle. No transfer may be in it. */
void lpb_http_multi_close(lpb_http_multi *m);

/* Frees all polls. No multi handle may use them any more. Safe twice. */
void lpb_http_multi_close_polls(lpb_http_multi_polls *polls);

#endif
