/* bindings/http/transfer.h: one request: an easy handle of libcurl and what it receives.
 *
 * A transfer is used again for the client's next request, with its handle and its buffers. It
 * belongs to its client; while a request runs, the operation (or the stream) that asked for it
 * holds it and gives it back with lpb_http_client_give. No function here touches Lua. Layer:
 * bindings. */
#ifndef LPB_HTTP_TRANSFER_H
#define LPB_HTTP_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>

#include "bindings/http/file.h"
#include "bindings/http/host.h"
#include "bindings/http/http.h"
#include "bindings/http/multi.h"
#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/loop/op.h"

typedef struct lpb_http_client lpb_http_client;

typedef enum {
  LPB_HTTP_IDLE,      /* in client->idle, or just taken from it */
  LPB_HTTP_QUEUED,    /* kept back by limit or limit_per_host */
  LPB_HTTP_RESOLVING, /* its host's address is looked up */
  LPB_HTTP_RUNNING,   /* in a multi handle */
  LPB_HTTP_ENDED,
} lpb_http_transfer_stage;

/* A task that waits for a transfer: the operation. */
typedef struct lpb_http_transfer_wait {
  lp_op op;
  struct lpb_http_transfer *transfer; /* NULL: none was begun, or its client has closed */
  const char *why;                    /* why none was begun; static */
} lpb_http_transfer_wait;

typedef struct lpb_http_transfer {
  lp_list link; /* in the list of its stage */
  lp_list all;  /* in client->transfers */
  lpb_http *http;
  lpb_http_client *client;
  CURL *easy;
  lpb_http_transfer_wait *wait;     /* who waits, or NULL */
  struct lpb_http_transfer **owner; /* the pointer in a stream's Lua object, or NULL */
  lpb_http_transfer_stage stage;
  lpb_http_transfer_stage last; /* the stage it was in when it was stopped */
  lpb_http_host_url *url;
  int multi; /* index of the multi handle */

  char method[16];
  bool large;                   /* the receive buffer is */
  bool set;                     /* options were set: reset the handle before it is used again */
  bool follows;                 /* redirections */
  bool once;                    /* the method may not be sent twice */
  bool stream;                  /* wake the task for each piece */
  bool digest;                  /* the first answer is a challenge */
  bool proxied;                 /* a proxy looks the name up */
  double timeout;               /* seconds, negative for none */
  double connect_timeout;       /* seconds, for the message */
  size_t max_body;              /* SIZE_MAX: any */
  struct curl_slist *headers;   /* of the request */
  struct curl_slist *addresses; /* for CURLOPT_RESOLVE */
  curl_mime *form;
  lpb_http_file file; /* save_to */
  lpb_http_multi_opener opener;

  bool sent, answered; /* the request has left; some of its response came */
  bool headed;         /* the final header is complete */
  bool begun;          /* the body has */
  bool saves;          /* the body goes to the file */
  size_t received;     /* bytes of it */
  bool paused;         /* curl was told to wait for the reader of a stream */
  lp_buf head, body;   /* of the response: the last header, lines as received */
  CURLcode code;       /* once ENDED */
  int failure;         /* 0 or a negative code that says more than `code` */
  uint64_t began;      /* uv_hrtime */
  double elapsed;      /* seconds, once ENDED */
  char text[CURL_ERROR_SIZE];
} lpb_http_transfer;

/* Makes one with a curl handle that has the cookies of `shared` (may be NULL); returns NULL for
 * want of memory. The client fills `client` in. */
lpb_http_transfer *lpb_http_transfer_new(lpb_http *http, CURLSH *shared);

/* Gives it the default options, after new or after others were set. */
void lpb_http_transfer_reset(lpb_http_transfer *t);

/* The request may not be sent twice: curl's own retry over a new connection is refused. */
void lpb_http_transfer_once(lpb_http_transfer *t);

/* Points the handle at its url. Expect the size of body that the host sent last: a large
 * receive buffer makes large bodies 10 % cheaper and small ones dearer. */
void lpb_http_transfer_aim(lpb_http_transfer *t);

/* Forgets the request and its response, so that another one may begin. */
void lpb_http_transfer_clear(lpb_http_transfer *t);

void lpb_http_transfer_free(lpb_http_transfer *t);

/* Seconds since it was asked for. */
double lpb_http_transfer_age(const lpb_http_transfer *t);

/* It has ended: wakes who waits. `failure` is 0 or a negative code; called by the client. */
void lpb_http_transfer_end(lpb_http_transfer *t, CURLcode code, int failure);

/* Lets a stream go on when its reader has taken what there was. Never from a callback of curl.
 */
void lpb_http_transfer_resume(lpb_http_transfer *t);

#endif
