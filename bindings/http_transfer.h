/* bindings/http_transfer.h: one request: an easy handle of libcurl and what it receives.
 *
 * A transfer is used again for the client's next request, with its handle and its buffers. It
 * belongs to its client; while a request runs, the operation (or the stream) that asked for it
 * holds it and gives it back with lp_http_client_give. No function here touches Lua. Layer:
 * bindings. */
#ifndef LP_BINDINGS_HTTP_TRANSFER_H
#define LP_BINDINGS_HTTP_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>

#include "bindings/http_file.h"
#include "bindings/http_host.h"
#include "bindings/http_multi.h"
#include "runtime/base/buf.h"
#include "runtime/base/list.h"
#include "runtime/loop/op.h"

typedef struct lp_http_client lp_http_client;

typedef enum {
  LP_HTTP_IDLE,      /* in client->idle, or just taken from it */
  LP_HTTP_QUEUED,    /* kept back by limit or limit_per_host */
  LP_HTTP_RESOLVING, /* its host's address is looked up */
  LP_HTTP_RUNNING,   /* in a multi handle */
  LP_HTTP_ENDED,
} lp_http_stage;

/* A task that waits for a transfer: the operation. */
typedef struct lp_http_wait {
  lp_op op;
  struct lp_http_transfer *transfer; /* NULL: none was begun, or its client has closed */
  const char *why;                   /* why none was begun; static */
} lp_http_wait;

typedef struct lp_http_transfer {
  lp_list link; /* in the list of its stage */
  lp_list all;  /* in client->transfers */
  lp_http_client *client;
  CURL *easy;
  lp_http_wait *wait;              /* who waits, or NULL */
  struct lp_http_transfer **owner; /* the pointer in a stream's Lua object, or NULL */
  lp_http_stage stage;
  lp_http_stage last; /* the stage it was in when it was stopped */
  lp_http_url *url;
  int place; /* number of the multi handle */

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
  lp_http_file file; /* save_to */
  lp_http_opener opener;

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
} lp_http_transfer;

/* Makes one with a curl handle, or NULL for want of memory. */
lp_http_transfer *lp_http_transfer_new(lp_http_client *c);

/* Gives it the default options, after new or after others were set. */
void lp_http_transfer_reset(lp_http_transfer *t);

/* The request may not be sent twice: curl's own retry over a new connection is refused. */
void lp_http_transfer_once(lp_http_transfer *t);

/* Points the handle at its url. Expect the size of body that the host sent last: a large
 * receive buffer makes large bodies 10 % cheaper and small ones dearer. */
void lp_http_transfer_aim(lp_http_transfer *t);

/* Forgets the request and its response, so that another one may begin. */
void lp_http_transfer_clear(lp_http_transfer *t);

void lp_http_transfer_free(lp_http_transfer *t);

/* Seconds since it was asked for. */
double lp_http_transfer_age(const lp_http_transfer *t);

/* It has ended: wakes who waits. `failure` is 0 or a negative code; called by the client. */
void lp_http_transfer_end(lp_http_transfer *t, CURLcode code, int failure);

/* Lets a stream go on when its reader has taken what there was. Never from a callback of curl.
 */
void lp_http_transfer_resume(lp_http_transfer *t);

#endif
