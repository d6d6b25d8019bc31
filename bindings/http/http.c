/* bindings/http/http.c: what all clients of a runtime share. Layer: bindings. */
#include "bindings/http/http.h"

#include <string.h>

#include "runtime/base/alloc.h"

static void *heap_new(size_t n) {
  return lp_alloc_resize(NULL, n);
}

static void *heap_zeroed(size_t count, size_t size) {
  return size && count > SIZE_MAX / size ? NULL : lp_alloc_new(count * size);
}

static char *heap_copy(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = lp_alloc_resize(NULL, size);
  return copy ? memcpy(copy, text, size) : NULL;
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
  curl_global_cleanup();
}

static const lp_part_class http_class = {.close = http_close};

lpb_http *lpb_http_of(lp_state *st) {
  lp_part *part = lp_part_find(st, &http_class);
  if (part) return lp_list_of(part, lpb_http, part);
  lpb_http *http = lp_alloc_new(sizeof *http);
  if (!http) return NULL;
  if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, heap_new, lp_alloc_free, lp_alloc_resize,
                           heap_copy, heap_zeroed) != CURLE_OK) {
    lp_alloc_free(http);
    return NULL;
  }
  http->headers = curl_slist_append(NULL, "User-Agent: " LPB_HTTP_AGENT);
  curl_slist_append(http->headers, "Accept-Encoding: " LPB_HTTP_ENCODINGS);
  http->st = st;
  http->polls.loop = st->loop;
  http->polls.st = st;
  lp_list_init(&http->users);
  lp_part_add(st, &http->part, &http_class);
  return http;
}
