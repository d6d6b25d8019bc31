/* bindings/http/transfer.h: one request: an easy handle of libcurl and what it receives.
 *
 * The client uses a transfer, with its handle and its buffers, for one request after another.
 * While a request runs, the operation or the stream that asked for it holds the transfer, and
 * gives it back with lpb_http_client_give. No function here touches Lua. Layer: bindings.
 * Owner: the client. */
#ifndef LPB_HTTP_TRANSFER_H
#define LPB_HTTP_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>

#include "bindings/http/body.h"
#include "bindings/http/host.h"
#include "bindings/http/http.h"
#include "bindings/http/multi.h"
#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/loop/op.h"

typedef struct lpb_http_client lpb_http_client;

/* Failures beside those of base/error.h and of body.h: the header is not complete, its status
 * line is none. */
enum { LPB_HTTP_HEAD_CUT = -11100, LPB_HTTP_STATUS_LINE = -11101 };

typedef enum {
  /* The transfer is in client->idle, or has just been taken from it. */
  LPB_HTTP_IDLE,
  /* It waits because limit or limit_per_host is reached. */
  LPB_HTTP_QUEUED,
  /* The address of its host is being looked up. */
  LPB_HTTP_RESOLVING,
  /* It waits for the connection that another transfer opens, to share it (HTTP/2). */
  LPB_HTTP_JOINING,
  /* It is in a multi handle. */
  LPB_HTTP_RUNNING,
  /* curl is done with it, and the rest of the body is being decoded or its digest made. */
  LPB_HTTP_DECODING,
  LPB_HTTP_ENDED,
} lpb_http_transfer_stage;

/* The operation of a task that waits for a transfer. */
typedef struct lpb_http_transfer_wait {
  lp_op op;
  /* NULL when no request was begun, and when the client was closed. */
  struct lpb_http_transfer *transfer;
  /* A static text that says why none was begun, or NULL. */
  const char *why;
} lpb_http_transfer_wait;

typedef struct lpb_http_transfer {
  /* Its place in the list of its stage. */
  lp_list link;
  /* Its place in client->transfers. */
  lp_list all;
  lpb_http *http;
  lpb_http_client *client;
  CURL *easy;
  /* The operation that waits for it, or NULL. */
  lpb_http_transfer_wait *wait;
  /* The pointer to it in the Lua object of a stream, or NULL. */
  struct lpb_http_transfer **owner;
  lpb_http_transfer_stage stage;
  /* The stage in which it was stopped. */
  lpb_http_transfer_stage last;
  lpb_http_host_url *url;
  /* The proxy, or NULL. */
  lpb_http_host_url *via;
  /* The index of the multi handle that it runs in. */
  int multi;

  /* What the request asks for. */
  char method[16];
  /* The receive buffer is large. */
  bool large;
  /* Options were set that only a reset of the handle undoes. */
  bool set;
  /* The handle has the options of the client's plan for a GET: they are set once, and stay for
   * the next request with the same plan. */
  bool kept;
  /* Whoever asked follows redirections: see `redirected`. */
  bool follows;
  /* The body of the request is a file or a source. */
  bool uploads;
  /* The method may not be sent twice. */
  bool once;
  /* The first responses with status 401 are steps of the authentication (digest, NTLM). */
  bool challenged;
  /* The request has cookies. */
  bool cookied;
  /* HTTP/2 was asked for. */
  bool h2;
  /* Curl need not know the address of the host: a proxy looks it up, or it was given. */
  bool addressed;
  /* In seconds; negative when there is none. */
  double timeout;
  /* How much of the timeout earlier requests of the same chain of redirections have used. */
  double spent;
  /* In seconds, for the message of an error. */
  double connect_timeout;
  /* How long it may wait for a place, in seconds; negative when the request does not say it. */
  double queue_timeout;
  /* How long no byte may come or go, in seconds; negative when any time is fine. */
  double stall_timeout;
  /* In bytes: all lines of headers, of all responses, and of trailers together. */
  size_t max_header;
  struct curl_slist *headers;
  /* For CURLOPT_RESOLVE. */
  struct curl_slist *addresses;
  /* For CURLOPT_CONNECT_TO. */
  struct curl_slist *way;
  /* The URL with another host, which the server is asked for; or NULL. */
  CURLU *named;
  curl_mime *form;
  /* The sources of the body of the request (source.h), by their `link`. */
  lp_list sources;
  /* The file that is the body of the request, or NULL. */
  FILE *upload;
  /* The length of such a body, or of that of a source; -1 when it is not known. */
  curl_off_t upload_size;
  /* The body of the response. Of a stream, the task is woken for each piece. */
  lpb_http_body body;
  lpb_http_multi_user user;
  /* Called when the transfer has failed outside of curl's callbacks: it is to be taken out of
   * curl and ended, with t->failure. */
  void (*broken)(struct lpb_http_transfer *t);
  /* Called by curl's callback when it has a connection and is about to be sent. */
  void (*connected)(struct lpb_http_transfer *t);

  /* What has happened so far. */
  /* The request was sent. */
  bool sent;
  /* It has a connection that others may share. */
  bool joined;
  /* Some of the response has come. */
  bool answered;
  /* That of the last header that is complete, or 0. */
  long status;
  /* The final header is complete. */
  bool headed;
  /* The response is a redirection that will be followed, so its body is thrown away. */
  bool redirected;
  /* The header names a Content-Encoding. */
  bool encoded;
  /* How many lines of the header name a Content-Length. */
  int lengths;
  /* How many bytes of headers and trailers have come. */
  size_t header_size;
  /* The last header, with its lines as they came. */
  lp_buf head;
  /* The values of all Set-Cookie lines, each with its line end. */
  lp_buf cookies;
  /* The lines behind the body. */
  lp_buf trailer;
  /* Goes on with the body in the next turn of the loop. */
  lp_flush flush;
  /* When it was queued, when it got its place, and since when `timeout` counts: of a stream,
   * since its reader waits. As uv_hrtime counts. */
  uint64_t queued;
  uint64_t began;
  uint64_t since;
  /* When a byte came or went, as uv_now counts. */
  uint64_t heard;
  /* How many bytes of the request had been sent then. */
  curl_off_t sent_bytes;
  /* It was stopped because of stall_timeout. */
  bool stalled;
  /* When it began to wait for the address of its host, to join a connection or for one of its
   * own, as lp_loop_now counts; 0 when it has not waited, and when it has one. */
  double asked;
  /* How many seconds it waited for the address of its host. */
  double look_up;
  /* Fires when it has waited the whole connect_timeout, or when the body of a redirection has
   * not come soon. */
  lp_timer late;

  /* Valid once it has ENDED. */
  CURLcode code;
  /* 0, or a negative code that says more than `code`. */
  int failure;
  /* In seconds. */
  double elapsed;
  /* curl's words for a failure. */
  char text[CURL_ERROR_SIZE];
} lpb_http_transfer;

/* Makes a transfer. The caller fills `client` in. Returns NULL for want of memory. */
lpb_http_transfer *lpb_http_transfer_new(lpb_http *http);

/* Sets all options of the handle to their defaults. */
void lpb_http_transfer_reset(lpb_http_transfer *t);

/* Lets the next try of the request take no kept connection. */
void lpb_http_transfer_freshen(lpb_http_transfer *t);

/* Sets the URL of the handle, and a receive buffer for a body as large as the last one of this
 * host, or as a file: a large buffer makes large bodies 10 % cheaper and small ones dearer. */
void lpb_http_transfer_aim(lpb_http_transfer *t);

/* Undoes the options of the last request, if they were kept. */
void lpb_http_transfer_unkeep(lpb_http_transfer *t);

/* Forgets the request and its response, so that another one may begin. */
void lpb_http_transfer_clear(lpb_http_transfer *t);

void lpb_http_transfer_free(lpb_http_transfer *t);

/* Starts the clocks of `timeout` and `stall_timeout`. */
void lpb_http_transfer_clock(lpb_http_transfer *t);

/* Returns the seconds since the request got its place. */
double lpb_http_transfer_age(const lpb_http_transfer *t);

/* The client calls it when the transfer has ended: it notes the result and wakes the task that
 * waits. `failure` is 0 or a negative code. */
void lpb_http_transfer_end(lpb_http_transfer *t, CURLcode code, int failure);

/* Goes on with a body whose buffer has been read. Callbacks of curl must not call it. */
void lpb_http_transfer_resume(lpb_http_transfer *t);

/* Lets curl ask for more of the body of the request. Callbacks of curl must not call it. */
void lpb_http_transfer_send_more(void *transfer);

#endif
