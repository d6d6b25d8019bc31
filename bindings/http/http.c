/* bindings/http/http.c: what all clients of a runtime share. Layer: bindings. */
#include "bindings/http/http.h"

#include <pthread.h>

#include "runtime/base/alloc.h"

/* libcurl counts who uses it, hosts too. Ours take turns. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static CURLcode begin_curl(void) {
  pthread_mutex_lock(&lock);
  CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
  pthread_mutex_unlock(&lock);
  return rc;
}

static void end_curl(void) {
  pthread_mutex_lock(&lock);
  curl_global_cleanup();
  pthread_mutex_unlock(&lock);
}

CURLcode lpb_http_add_line(struct curl_slist **list, const char *line) {
  struct curl_slist *longer = curl_slist_append(*list, line);
  if (!longer) return CURLE_OUT_OF_MEMORY;
  *list = longer;
  return CURLE_OK;
}

static void http_close(lp_part *part) {
  lpb_http *http = lp_list_of(part, lpb_http, part);
  lp_list_each (link, &http->users) {
    lpb_http_user *user = lp_list_of(link, lpb_http_user, link);
    user->close(user);
  }
  lpb_http_multi_close_polls(&http->polls);
  curl_slist_free_all(http->headers);
  lp_part_remove(part);
  lp_alloc_free(http);
  end_curl();
}

static const lp_part_class http_class = {.close = http_close};

lpb_http *lpb_http_of(lp_state *st) {
  lp_part *part = lp_part_find(st, &http_class);
  if (part) return lp_list_of(part, lpb_http, part);
  lpb_http *http = lp_alloc_new(sizeof *http);
  if (!http) return NULL;
  if (begin_curl() != CURLE_OK) goto fail;
  /* One entry: curl goes through all of them for each header that it might send itself. */
  if (lpb_http_add_line(&http->headers, "User-Agent: " LPB_HTTP_AGENT
                                        "\r\nAccept-Encoding: " LPB_HTTP_ENCODINGS) != CURLE_OK)
    goto fail_begun;
  http->st = st;
  http->polls.loop = st->loop;
  http->polls.st = st;
  lp_list_init(&http->users);
  lp_part_add(st, &http->part, &http_class);
  return http;
fail_begun:
  end_curl();
fail:
  lp_alloc_free(http);
  return NULL;
}
