/* bindings/http/http.h: what all clients of a runtime share. It is made at the first request,
 * as curl's library is opened then, and closed with the runtime. Layer: bindings. */
#ifndef LPB_HTTP_HTTP_H
#define LPB_HTTP_HTTP_H

#include <curl/curl.h>

#include "bindings/http/multi.h"
#include "runtime/base/list.h"
#include "runtime/loop/part.h"
#include "runtime/loop/state.h"

#define LPB_HTTP_AGENT     "luapool/" LP_VERSION
#define LPB_HTTP_ENCODINGS "gzip, br"

/* A client, which is closed when the runtime is. */
typedef struct lpb_http_user {
  lp_list link;
  void (*close)(struct lpb_http_user *user);
} lpb_http_user;

typedef struct lpb_http {
  lp_part part;
  lp_state *st;
  lpb_http_multi_polls polls;
  /* Clients that have made a request and are not closed. */
  lp_list users;
  /* Of a request that names none: cheaper than curl's options for them. */
  struct curl_slist *headers;
} lpb_http;

/* Appends a copy of a line to a list, which stays as it is for want of memory. */
CURLcode lpb_http_add_line(struct curl_slist **list, const char *line);

/* Returns that of the runtime, made when there is none; NULL for want of memory. */
lpb_http *lpb_http_of(lp_state *st);

#endif
