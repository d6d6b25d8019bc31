/* bindings/http/flood.c: what curl makes of OpenSSL for a connection is changed: records are
 * counted, tickets are taken. See flood.h. Layer: bindings. */
#include "bindings/http/flood.h"

#include <openssl/ssl.h>
#include <time.h>

/* The clock is looked at for every so many records. */
enum { STEP = 64 };

/* Nanoseconds of CPU that one call may read: far more than the window of any stream takes. */
enum { PATIENCE = 200 * 1000 * 1000 };

static uint64_t cpu_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void on_record(int sent, int version, int type, const void *bytes, size_t n, SSL *ssl,
                      void *of) {
  (void)version, (void)bytes, (void)n;
  lpb_http_flood *f = of;
  if (sent || type != SSL3_RT_HEADER || ++f->records % STEP) return;
  if (f->records == STEP)
    f->since = cpu_time();
  else if (cpu_time() - f->since > PATIENCE)
    SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
}

/* curl refuses the tickets of TLS 1.2, for the sake of servers of 2010. Most servers know no
 * other way to resume a session. */
static CURLcode on_context(CURL *easy, void *context, void *of) {
  (void)easy;
  SSL_CTX_clear_options(context, SSL_OP_NO_TICKET);
  if (of) {
    SSL_CTX_set_msg_callback(context, on_record);
    SSL_CTX_set_msg_callback_arg(context, of);
  }
  return CURLE_OK;
}

void lpb_http_flood_prepare(CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_context);
}

CURLcode lpb_http_flood_watch(CURL *easy, lpb_http_flood *f) {
  return curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, f);
}
