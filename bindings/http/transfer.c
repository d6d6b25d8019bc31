/* bindings/http/transfer.c: what curl calls while a request runs, and the easy handle's life.
 *
 * Invariant: callbacks of curl only record and finish operations; they touch no Lua value and
 * take nothing out of a multi handle. Layer: bindings. */
#include "bindings/http/transfer.h"

#include <stdlib.h>
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "bindings/http/source.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/loop.h"

enum {
  SMALL_BUFFER =
      16 * 1024, /* of curl, to receive: made for each request, so no larger than it pays */
  LARGE_BUFFER = 100 * 1024,
  LARGE_BODY = 64 * 1024,
  KEPT_BUFFER = 64 * 1024,   /* of a header, for the next request */
  REDIRECT_BODY = 64 * 1024, /* read of a redirection, to keep its connection, */
  REDIRECT_S = 1,            /* and for so long at most */
  MAX_HEADER = 256 * 1024,
  CONNECT_S = 10,
  TIMEOUT_S = 300,
  ADDRESS_S = 120, /* longer than addresses are fresh in host.c */
};

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

/* The body of a redirection does not come: nobody waits longer for it. */
static void redirection_late(lp_timer *timer) {
  wake(lp_list_of(timer, lpb_http_transfer, late));
}

/* The blank line has come. The header was the last one unless the status says that another one
 * follows, or may follow; then the body or the end of the transfer shows it. */
static void head_ended(lpb_http_transfer *t) {
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
  if (t->status < 200 || (t->challenged && t->status == 401)) return;
  t->headed = true;
  t->redirected = is_redirection(t, t->status);
  if (t->redirected) {
    t->late.fire = redirection_late;
    lp_loop_after(t->http->st, &t->late, REDIRECT_S);
  } else if (t->body.stream) {
    wake(t);
  }
}

/* Counts a Content-Length. curl reads as many digits as there are and believes "0x10" to be 0.
 */
static int note_length(lpb_http_transfer *t, const char *value, size_t n) {
  size_t i = 0;
  t->lengths++;
  while (i < n && (value[i] == ' ' || value[i] == '\t')) i++;
  size_t digits = i;
  while (i < n && isdigit((unsigned char)value[i])) i++;
  if (i == digits) return LPB_HTTP_BODY_LENGTH;
  while (i < n && isspace((unsigned char)value[i])) i++;
  return i == n ? 0 : LPB_HTTP_BODY_LENGTH;
}

/* Tells whether more than three digits stand behind "HTTP/1.1 ": some versions of curl read the
 * first three of them. */
static bool is_status_long(const char *line, size_t n) {
  return n > 12 && line[8] == ' ' && isdigit((unsigned char)line[12]);
}

/* Returns 0 or a negative code. */
static int note_line(lpb_http_transfer *t, const char *line, size_t n) {
  if (n > 5 && memcmp(line, "HTTP/", 5) == 0) {
    t->head.len = 0;
    t->encoded = false;
    t->lengths = 0;
    if (is_status_long(line, n)) return LPB_HTTP_STATUS_LINE;
  } else if (n > 16 && (*line | 32) == 'c') { /* the ninth letter tells most of them apart */
    if ((line[8] | 32) == 'l' && strncasecmp(line, "content-length:", 15) == 0)
      return note_length(t, line + 15, n - 15);
    if ((line[8] | 32) == 'e' && strncasecmp(line, "content-encoding:", 17) == 0)
      t->encoded = true;
  } else if (n > 11 && (*line | 32) == 's' && strncasecmp(line, "set-cookie:", 11) == 0) {
    return lp_buf_append(&t->cookies, line + 11, n - 11);
  }
  return 0;
}

static size_t on_header(char *line, size_t size, size_t n, void *of) {
  lpb_http_transfer *t = of;
  (void)size; /* 1 */
  t->answered = true;
  t->heard = uv_now(t->http->polls.loop);
  t->header_size += n;
  if (t->header_size > t->max_header) return refuse(t, LP_ETOO_LARGE);
  if (t->headed) return lp_buf_append(&t->trailer, line, n) < 0 ? refuse(t, LP_EMEMORY) : n;
  int rc = note_line(t, line, n);
  if (rc == 0) rc = lp_buf_append(&t->head, line, n);
  if (rc < 0) return refuse(t, rc);
  if (n <= 2) head_ended(t);
  return n;
}

/* Tells whether the last line of the header is blank. */
static bool head_complete(const lpb_http_transfer *t) {
  const char *head = t->head.data;
  size_t n = t->head.len;
  if (n > 1 && head[n - 2] == '\r') n--;
  return n > 1 && head[t->head.len - 1] == '\n' && head[n - 2] == '\n';
}

/* --- the body --- */

static struct curl_header *find_header(const lpb_http_transfer *t, const char *name, size_t i) {
  struct curl_header *h;
  return curl_easy_header(t->easy, name, i, CURLH_HEADER, -1, &h) == CURLHE_OK ? h : NULL;
}

/* Writes the value of Content-Encoding into `out`, lines that are repeated joined by ",". */
static int find_codings(const lpb_http_transfer *t, lp_buf *out) {
  struct curl_header *h;
  for (size_t i = 0; (h = find_header(t, "Content-Encoding", i)); i++)
    if (lp_buf_append(out, h->value, strlen(h->value)) < 0 || lp_buf_append(out, ",", 1) < 0)
      return LP_EMEMORY;
  return 0;
}

/* Tells whether the lengths that the header names are one that curl has read; else curl takes
 * one of two, or reads until the server closes, and nobody knows what of the body is missing.
 */
static bool lengths_agree(const lpb_http_transfer *t, curl_off_t length) {
  if (t->lengths == 0 || find_header(t, "Transfer-Encoding", 0)) return true;
  struct curl_header *h;
  for (size_t i = 0; (h = find_header(t, "Content-Length", i)); i++)
    if (length < 0 || strtoll(h->value, NULL, 10) != length) return false;
  return true;
}

static const char *header_text(const lpb_http_transfer *t, const char *name) {
  struct curl_header *h = find_header(t, name, 0);
  return h ? h->value : NULL;
}

/* Tells a file that may be resumed which response its bytes come from. */
static int file_begins(lpb_http_transfer *t, curl_off_t length) {
  if (!t->body.file.notes) return 0;
  lpb_http_part_answer a = {.status = t->status,
                            .length = length,
                            .etag = header_text(t, "ETag"),
                            .modified = header_text(t, "Last-Modified"),
                            .range = header_text(t, "Content-Range"),
                            .encoded = t->encoded};
  return lpb_http_file_begin(&t->body.file, &a);
}

/* Called for the first piece of the body, or at the end when none has come, as to a HEAD. */
static int body_begins(lpb_http_transfer *t, bool empty) {
  curl_off_t length = -1;
  lp_buf codings = {0};
  if (!empty) curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  t->headed = true;
  if (!empty && (length < 0 || t->lengths > 1) && !lengths_agree(t, length))
    return LPB_HTTP_BODY_LENGTH;
  int rc = t->encoded ? find_codings(t, &codings) : 0;
  if (rc == 0)
    rc = lpb_http_body_begin(&t->body, codings.data, codings.len, length,
                             t->status >= 200 && t->status < 300);
  lp_buf_close(&codings);
  return rc < 0 ? rc : file_begins(t, length);
}

/* What has been added may be there for the reader, or needs more turns of the loop. */
static void body_changed(lpb_http_transfer *t) {
  if (t->body.stream && t->body.bytes.len > 0) wake(t);
  if (lpb_http_body_works(&t->body)) lp_loop_flush(t->http->st, &t->flush);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *of) {
  lpb_http_transfer *t = of;
  (void)size; /* 1 */
  t->heard = uv_now(t->http->polls.loop);
  if (t->redirected) {
    t->body.came += n;
    return t->body.came <= REDIRECT_BODY ? n : CURL_WRITEFUNC_ERROR;
  }
  if (lpb_http_body_full(&t->body)) {
    lpb_http_multi_pause(&t->user, t->easy);
    return CURL_WRITEFUNC_PAUSE;
  }
  int rc = t->body.begun ? 0 : body_begins(t, false);
  if (rc == 0) rc = lpb_http_body_add(&t->body, bytes, n);
  if (rc < 0) return refuse(t, rc);
  body_changed(t);
  return n;
}

static void body_ends(lpb_http_transfer *t);

void lpb_http_transfer_resume(lpb_http_transfer *t) {
  if (t->stage != LPB_HTTP_RUNNING && t->stage != LPB_HTTP_DECODING) return;
  if (lpb_http_body_works(&t->body)) {
    t->failure = lpb_http_body_work(&t->body);
    body_changed(t);
  }
  if (t->failure == 0 && t->user.paused && !lpb_http_body_full(&t->body)) {
    t->user.paused = false;
    curl_easy_pause(t->easy, CURLPAUSE_CONT); /* calls on_body, which may fail */
  }
  if (t->failure < 0)
    t->broken(t);
  else if (t->stage == LPB_HTTP_DECODING && !t->body.pending)
    body_ends(t);
}

/* A part of a form that has no piece yet stays paused inside curl, also when curl, which had
 * the head of the part to send, has not paused the transfer: then curl ignores that the
 * transfer is to go on, and the part would never be asked again. So curl pauses a form first.
 */
void lpb_http_transfer_send_more(void *transfer) {
  lpb_http_transfer *t = transfer;
  if (t->stage != LPB_HTTP_RUNNING) return;
  int receiving = t->user.paused ? CURLPAUSE_RECV : CURLPAUSE_CONT;
  if (t->form) curl_easy_pause(t->easy, receiving | CURLPAUSE_SEND);
  curl_easy_pause(t->easy, receiving);
}

/* Runs once in the next turn of the loop: see body_changed. */
static void flush_run(lp_flush *f) {
  lpb_http_transfer_resume(lp_list_of(f, lpb_http_transfer, flush));
}

/* A kept connection, which was made for another request, may lead where this one must not go.
 * Returns 0 or a negative code. */
static int judge(const lpb_http_transfer *t, const char *ip, int port) {
  struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
  if (!t->user.allow && !t->http->st->allow) return 0;
  if (inet_pton(AF_INET6, ip, &a.sin6_addr) != 1) {
    a.sin6_family = AF_INET;
    if (inet_pton(AF_INET, ip, &((struct sockaddr_in *)&a)->sin_addr) != 1)
      return t->user.allow ? LPB_HTTP_MULTI_REFUSED : 0; /* a socket of the file system */
  }
  return lpb_http_multi_judge(&t->user, (const struct sockaddr *)&a);
}

void lpb_http_transfer_freshen(lpb_http_transfer *t) {
  curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
  t->set = true;
  t->kept = t->sent = false;
}

/* curl calls it before it sends the request, so a second time when it repeats the request over
 * a new connection because the old one turned out to be closed. It refuses that where the
 * server must not do twice what was asked. The third try takes no kept connection, of which all
 * may be closed; and the handle is reset at the end, because it counts repetitions for ever. */
static int on_send(void *of, char *ip, char *local_ip, int port, int local_port) {
  (void)local_ip, (void)local_port;
  lpb_http_transfer *t = of;
  bool repeated = t->sent && !t->answered;
  int refused = judge(t, ip, port);
  if (refused < 0) t->failure = refused;
  if (repeated && t->once) t->failure = LP_ECLOSED;
  if (t->failure < 0) return CURL_PREREQFUNC_ABORT;
  if (repeated) lpb_http_transfer_freshen(t);
  if (t->user.shares && !t->joined) t->connected(t);
  lp_timer_stop(&t->http->st->timers, &t->late);
  t->asked = 0;
  t->sent = true;
  t->answered = false;
  t->status = 0;
  return CURL_PREREQFUNC_OK;
}

void lpb_http_transfer_aim(lpb_http_transfer *t) {
  curl_easy_setopt(t->easy, CURLOPT_CURLU, t->named ? t->named : t->url->parsed);
  t->user.shares = t->h2 && strncmp(t->url->host->key, "https", 5) == 0;
  bool large = t->url->host->large || t->body.file.path;
  if (t->large == large) return;
  t->large = large;
  curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE,
                   t->large ? (long)LARGE_BUFFER : (long)SMALL_BUFFER);
}

/* --- the end --- */

void lpb_http_transfer_clock(lpb_http_transfer *t) {
  t->since = uv_hrtime();
  t->heard = uv_now(t->http->polls.loop);
}

double lpb_http_transfer_age(const lpb_http_transfer *t) {
  return (double)(uv_hrtime() - t->began) / 1e9;
}

static void finish(lpb_http_transfer *t) {
  t->stage = LPB_HTTP_ENDED;
  t->url->host->large = t->body.came > LARGE_BODY;
  t->elapsed = lpb_http_transfer_age(t);
  wake(t);
}

/* While the file cannot be finished, the transfer stays where it is: its flush runs later. */
static void body_ends(lpb_http_transfer *t) {
  int rc = lpb_http_body_end(&t->body);
  t->stage = LPB_HTTP_DECODING;
  if (rc > 0) return;
  t->failure = rc;
  finish(t);
}

void lpb_http_transfer_end(lpb_http_transfer *t, CURLcode code, int failure) {
  if (t->redirected && failure == 0) code = CURLE_OK; /* whatever became of its body */
  if (code == CURLE_COULDNT_CONNECT && failure == 0) failure = t->user.error;
  t->code = code;
  t->failure = failure;
  if (code == CURLE_OK && failure == 0 && !t->redirected && !t->body.begun)
    t->failure = head_complete(t) ? body_begins(t, true) : LPB_HTTP_HEAD_CUT;
  if (code != CURLE_OK || t->failure < 0 || t->redirected)
    finish(t);
  else if (t->body.pending)
    t->stage = LPB_HTTP_DECODING;
  else
    body_ends(t);
}

/* --- the handle --- */

static void set_defaults(lpb_http_transfer *t) {
  t->set = t->kept = t->once = t->h2 = t->challenged = false;
  t->follows = true;
  t->user.allow = NULL;
  t->addressed = false;
  t->timeout = TIMEOUT_S;
  t->spent = 0;
  t->uploads = t->cookied = false;
  t->upload_size = -1;
  t->connect_timeout = CONNECT_S;
  t->queue_timeout = t->stall_timeout = -1;
  t->max_header = MAX_HEADER;
  lpb_http_body_defaults(&t->body);
  strcpy(t->method, "GET");
}

static void set_callbacks(lpb_http_transfer *t) {
  CURL *e = t->easy;
  t->user.polls = &t->http->polls;
  lpb_http_multi_prepare(&t->user, e);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
  curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
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
  curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, (long)ADDRESS_S);
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->http->headers);
  curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  /* A directory of CAs, as Debian sets it, switches curl's cache of parsed CAs off. */
  curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, NULL);
  lpb_http_flood_prepare(e);
  /* scripts/luapool/internal/http/proxy.lua has looked into the environment. */
  curl_easy_setopt(e, CURLOPT_PROXY, "");
  curl_easy_setopt(e, CURLOPT_NOPROXY, "");
}

lpb_http_transfer *lpb_http_transfer_new(lpb_http *http) {
  lpb_http_transfer *t = lp_alloc_new(sizeof *t);
  if (!t) return NULL;
  t->easy = curl_easy_init();
  if (!t->easy) {
    lp_alloc_free(t);
    return NULL;
  }
  t->http = http;
  t->body.heap = &http->st->heap;
  lp_list_init(&t->link);
  lp_list_init(&t->all);
  lp_list_init(&t->sources);
  lp_list_init(&t->flush.link);
  t->flush.run = flush_run;
  lpb_http_transfer_reset(t);
  return t;
}

static void clear_buffer(lp_buf *b) {
  if (b->cap > KEPT_BUFFER) lp_buf_close(b);
  b->len = 0;
}

/* Frees what the options of the request have made. */
static void drop_options(lpb_http_transfer *t) {
  curl_slist_free_all(t->headers);
  curl_slist_free_all(t->way);
  curl_url_cleanup(t->named);
  curl_mime_free(t->form);
  lp_list_each (link, &t->sources) lpb_http_source_end(lp_list_of(link, lpb_http_source, link));
  if (t->upload) fclose(t->upload);
  t->upload = NULL;
  t->headers = t->way = NULL;
  t->named = NULL;
  t->form = NULL;
}

/* Undoes the options of the request: frequent ones one by one, all others by a reset of the
 * handle, which costs more than a small request. */
static void undo_options(lpb_http_transfer *t) {
  if (t->set) {
    lpb_http_transfer_reset(t);
  } else {
    if (t->headers) curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->http->headers);
    if (t->cookied) curl_easy_setopt(t->easy, CURLOPT_COOKIE, NULL);
    set_defaults(t);
  }
  drop_options(t);
}

/* Undoes what the client has set for this request alone. */
static void undo_client(lpb_http_transfer *t) {
  if (t->addresses) curl_easy_setopt(t->easy, CURLOPT_RESOLVE, NULL);
  curl_slist_free_all(t->addresses);
  t->addresses = NULL;
  t->asked = 0;
}

void lpb_http_transfer_unkeep(lpb_http_transfer *t) {
  if (t->kept) undo_options(t);
}

void lpb_http_transfer_clear(lpb_http_transfer *t) {
  undo_client(t);
  if (!t->kept) undo_options(t);
  lpb_http_host_release(t->url);
  lpb_http_host_release(t->via);
  t->url = t->via = NULL;
  t->owner = NULL;
  t->sent = t->answered = t->headed = t->redirected = t->encoded = t->user.paused = false;
  t->stalled = false;
  t->status = 0;
  t->user.opened = false;
  t->lengths = 0;
  t->sent_bytes = 0;
  t->look_up = 0;
  t->failure = t->user.error = 0;
  t->code = CURLE_OK;
  t->text[0] = 0;
  lp_list_remove(&t->flush.link);
  t->header_size = 0;
  clear_buffer(&t->head);
  clear_buffer(&t->trailer);
  clear_buffer(&t->cookies);
  lpb_http_body_clear(&t->body);
}

void lpb_http_transfer_free(lpb_http_transfer *t) {
  lp_list_remove(&t->link);
  lp_list_remove(&t->all);
  lp_list_remove(&t->flush.link);
  curl_easy_cleanup(t->easy);
  curl_slist_free_all(t->addresses);
  drop_options(t);
  lpb_http_host_release(t->url);
  lpb_http_host_release(t->via);
  lp_buf_close(&t->head);
  lp_buf_close(&t->trailer);
  lp_buf_close(&t->cookies);
  lpb_http_body_close(&t->body);
  lp_alloc_free(t);
}
