/* bindings/http/transfer.c: what curl calls while a request runs, and the easy handle's life.
 *
 * Invariant: callbacks of curl only record and finish operations; they touch no Lua value and
 * take nothing out of a multi handle. Layer: bindings. */
#include "bindings/http/transfer.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

enum {
  SMALL_BUFFER =
      16 * 1024, /* of curl, to receive: made for each request, so no larger than it pays */
  LARGE_BUFFER = 100 * 1024,
  LARGE_BODY = 64 * 1024,
  KEPT_BUFFER = 64 * 1024,    /* of a body, for the next request */
  RESERVE = 16 * 1024 * 1024, /* believed of a Content-Length */
  REDIRECT_BODY = 64 * 1024,  /* read of a redirection, to keep its connection */
  HEAD_MAX = 1024 * 1024,
  CONNECT_S = 10,
  TIMEOUT_S = 300,
  ADDRESS_S = 120, /* longer than addresses are fresh in host.c */
};

/* How many bytes of a stream are kept before curl must wait for its reader. */
#ifdef LP_TINY
enum { STREAM_HIGH = 8 };
#else
enum { STREAM_HIGH = 256 * 1024 };
#endif

static void wake(lpb_http_transfer *t) {
  if (t->wait) lp_op_finish(&t->wait->op, 0);
}

/* Returned from a callback, ends the transfer with this failure. */
static size_t refuse(lpb_http_transfer *t, int failure) {
  t->failure = failure;
  return CURL_WRITEFUNC_ERROR;
}

/* --- the header --- */

static bool is_redirection(const lpb_http_transfer *t, long status) {
  struct curl_header *location;
  if (!t->follows || status < 301 || status > 308 || (status > 303 && status < 307))
    return false;
  return curl_easy_header(t->easy, "Location", 0, CURLH_HEADER, -1, &location) == CURLHE_OK;
}

/* The blank line has come. The header was the last one unless the status says that another one
 * follows, or may follow; then the body or the end of the transfer shows it. */
static void head_ended(lpb_http_transfer *t) {
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || (t->challenged && status == 401)) return;
  t->headed = true;
  t->redirected = is_redirection(t, status);
  if (t->stream && !t->redirected) wake(t);
}

static size_t on_header(char *line, size_t size, size_t n, void *of) {
  lpb_http_transfer *t = of;
  (void)size; /* 1 */
  t->answered = true;
  if (n > 5 && memcmp(line, "HTTP/", 5) == 0) t->head.len = 0;
  if (t->head.len + n > HEAD_MAX) return refuse(t, LP_ETOO_LARGE);
  if (lp_buf_append(&t->head, line, n) < 0) return refuse(t, LP_EMEMORY);
  if (n <= 2) head_ended(t);
  return n;
}

/* --- the body --- */

/* Called for the first piece of the body: decides where the body goes. */
static int body_begins(lpb_http_transfer *t) {
  curl_off_t length = -1;
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  t->begun = t->headed = true;
  t->saves = t->file.path && status >= 200 && status < 300;
  if (length <= 0) return 0;
  if ((size_t)length > t->max_body) return LP_ETOO_LARGE;
  if (t->saves || t->stream) return 0;
  return lp_buf_reserve(&t->body, length < RESERVE ? (size_t)length : RESERVE);
}

static int take(lpb_http_transfer *t, const char *bytes, size_t n) {
  int rc = t->begun ? 0 : body_begins(t);
  if (rc < 0) return rc;
  t->received += n;
  if (t->received > t->max_body) return LP_ETOO_LARGE;
  if (t->saves) return lpb_http_file_write(&t->file, bytes, n);
  return lp_buf_append(&t->body, bytes, n);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *of) {
  lpb_http_transfer *t = of;
  (void)size; /* 1 */
  if (t->redirected) {
    t->received += n;
    return t->received <= REDIRECT_BODY ? n : CURL_WRITEFUNC_ERROR;
  }
  if (t->stream && t->body.len > STREAM_HIGH) {
    t->paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  int rc = take(t, bytes, n);
  if (rc < 0) return refuse(t, rc);
  if (t->stream) wake(t);
  return n;
}

void lpb_http_transfer_resume(lpb_http_transfer *t) {
  if (!t->paused || t->body.len > STREAM_HIGH) return;
  t->paused = false;
  curl_easy_pause(t->easy, CURLPAUSE_CONT);
}

/* curl calls it before it sends the request, so a second time when it repeats the request over
 * a new connection because the old one turned out to be closed. It refuses that, because the
 * server may have done already what was asked. */
static int on_send(void *of, char *ip, char *local_ip, int port, int local_port) {
  (void)ip, (void)local_ip, (void)port, (void)local_port;
  lpb_http_transfer *t = of;
  if (t->sent && !t->answered) {
    t->failure = LP_ECLOSED;
    return CURL_PREREQFUNC_ABORT;
  }
  t->sent = true;
  t->answered = false;
  return CURL_PREREQFUNC_OK;
}

void lpb_http_transfer_aim(lpb_http_transfer *t) {
  curl_easy_setopt(t->easy, CURLOPT_CURLU, t->url->parsed);
  if (t->large == t->url->host->large) return;
  t->large = t->url->host->large;
  curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE,
                   t->large ? (long)LARGE_BUFFER : (long)SMALL_BUFFER);
}

/* --- the end --- */

/* Gives the file its name. A response without a body makes an empty file. */
static int save(lpb_http_transfer *t) {
  if (!t->begun) body_begins(t);
  return t->saves ? lpb_http_file_finish(&t->file) : 0;
}

double lpb_http_transfer_age(const lpb_http_transfer *t) {
  return (double)(uv_hrtime() - t->began) / 1e9;
}

void lpb_http_transfer_end(lpb_http_transfer *t, CURLcode code, int failure) {
  if (t->redirected && failure == 0) code = CURLE_OK; /* whatever became of its body */
  if (code == CURLE_OK && failure == 0 && t->file.path) failure = save(t);
  if (code == CURLE_COULDNT_CONNECT && failure == 0) failure = t->opener.error;
  t->code = code;
  t->failure = failure;
  t->url->host->large = t->received > LARGE_BODY;
  t->elapsed = lpb_http_transfer_age(t);
  wake(t);
}

/* --- the handle --- */

static void set_defaults(lpb_http_transfer *t) {
  t->set = t->once = t->stream = t->challenged = false;
  t->follows = true;
  t->proxied = t->http->proxied;
  t->timeout = TIMEOUT_S;
  t->spent = 0;
  t->connect_timeout = CONNECT_S;
  t->max_body = SIZE_MAX;
  strcpy(t->method, "GET");
}

void lpb_http_transfer_once(lpb_http_transfer *t) {
  t->once = true;
  curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_send);
  curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
}

static void set_callbacks(lpb_http_transfer *t) {
  CURL *e = t->easy;
  t->opener.polls = &t->http->polls;
  lpb_http_multi_prepare(&t->opener, e);
  curl_easy_setopt(e, CURLOPT_PRIVATE, t);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->text);
}

void lpb_http_transfer_reset(lpb_http_transfer *t) {
  CURL *e = t->easy;
  curl_easy_reset(e);
  t->large = false;
  set_defaults(t);
  set_callbacks(t);
  curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)SMALL_BUFFER);
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_S * 1000L);
  curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, (long)ADDRESS_S);
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->http->headers);
  curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  /* A directory of CAs, as Debian sets it, switches curl's cache of parsed CAs off. */
  curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
  if (!t->proxied) { /* do not search the environment */
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "");
  }
}

lpb_http_transfer *lpb_http_transfer_new(lpb_http *http, CURLSH *shared) {
  lpb_http_transfer *t = lp_alloc_new(sizeof *t);
  if (!t) return NULL;
  t->easy = curl_easy_init();
  if (!t->easy) {
    lp_alloc_free(t);
    return NULL;
  }
  t->http = http;
  lp_list_init(&t->link);
  lp_list_init(&t->all);
  if (shared) { /* for ever: a reset keeps both */
    curl_easy_setopt(t->easy, CURLOPT_SHARE, shared);
    curl_easy_setopt(t->easy, CURLOPT_COOKIEJAR,
                     NULL); /* switches cookies on, and names no file */
  }
  lpb_http_transfer_reset(t);
  return t;
}

static void clear_buffer(lp_buf *b) {
  if (b->cap > KEPT_BUFFER) lp_buf_close(b);
  b->len = 0;
}

/* Frees what the options of the request have made. */
static void drop_options(lpb_http_transfer *t) {
  lpb_http_file_close(&t->file);
  curl_slist_free_all(t->addresses);
  curl_slist_free_all(t->headers);
  curl_mime_free(t->form);
  t->addresses = t->headers = NULL;
  t->form = NULL;
}

/* Undoes the options of the request: frequent ones one by one, all others by a reset of the
 * handle, which costs more than a small request. */
static void undo_options(lpb_http_transfer *t) {
  if (t->addresses) curl_easy_setopt(t->easy, CURLOPT_RESOLVE, NULL);
  if (t->set) {
    lpb_http_transfer_reset(t);
  } else {
    if (t->headers) curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->http->headers);
    if (t->connect_timeout != CONNECT_S || t->asked > 0)
      curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_S * 1000L);
    set_defaults(t);
  }
  drop_options(t);
}

void lpb_http_transfer_clear(lpb_http_transfer *t) {
  undo_options(t);
  lpb_http_host_release(t->url);
  t->url = NULL;
  t->owner = NULL;
  t->sent = t->answered = t->headed = t->redirected = t->begun = t->saves = t->paused = false;
  t->received = 0;
  t->asked = 0;
  t->failure = t->opener.error = 0;
  t->code = CURLE_OK;
  t->text[0] = 0;
  clear_buffer(&t->head);
  clear_buffer(&t->body);
}

void lpb_http_transfer_free(lpb_http_transfer *t) {
  lp_list_remove(&t->link);
  lp_list_remove(&t->all);
  curl_easy_cleanup(t->easy);
  drop_options(t);
  lpb_http_host_release(t->url);
  lp_buf_close(&t->head);
  lp_buf_close(&t->body);
  lp_alloc_free(t);
}
