/* bindings/http/flood.h: breaks off connections that keep curl busy inside one call.
 *
 * A server of HTTP/2 may send frames without content, such as empty DATA frames, faster than
 * they are read. curl reads on until there is content or nothing more to read, so that one call
 * of it could last for ever, and neither a timeout nor another task would have a turn. OpenSSL
 * calls us for each record that it reads: when one call has read for longer than a moment, the
 * connection is told to be at its end. Layer: bindings. Owner: lpb_http_multi_polls. */
#ifndef LPB_HTTP_FLOOD_H
#define LPB_HTTP_FLOOD_H

#include <curl/curl.h>
#include <stdint.h>

typedef struct lpb_http_flood {
  /* How many records the present call of curl has read. */
  unsigned records;
  /* The CPU time of the thread when it had read a few, in nanoseconds. */
  uint64_t since;
} lpb_http_flood;

/* A call of curl begins. */
static inline void lpb_http_flood_begin(lpb_http_flood *f) {
  f->records = 0;
}

/* Has the TLS connections of an easy handle, which has been reset, resume sessions by tickets.
 */
void lpb_http_flood_prepare(CURL *easy);

/* Has them watched, too, after lpb_http_flood_prepare. `f` must outlive them. */
CURLcode lpb_http_flood_watch(CURL *easy, lpb_http_flood *f);

#endif
