/* bindings/http/result.c: responses and errors as Lua values. One table says which kind of
 * error a code of curl is, and what to do about it. Layer: bindings. */
#include "bindings/http/result.h"

#include <lauxlib.h>
#include <string.h>

#include "bindings/http/client.h"
#include "bindings/http/unread.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"

enum {
  URL_SHOWN = 200, /* bytes of a URL that a message shows */
  TOO_LARGE = 100, /* CURLE_TOO_LARGE of curl 8.6 */
};

/* --- the response --- */

static void set_text(lua_State *L, const char *name, const char *text, size_t len) {
  lua_pushlstring(L, text, len);
  lua_setfield(L, -2, name);
}

/* Pushes the URL of the response. Most often it is the one at index `url`, that was asked for.
 */
static void push_url(lua_State *L, const lpb_http_transfer *t, int url) {
  if (strcmp(t->url->full, t->url->text) != 0)
    lua_pushstring(L, t->url->full);
  else
    lua_pushvalue(L, url);
}

static double seconds(const lpb_http_transfer *t, CURLINFO what) {
  curl_off_t us = 0;
  curl_easy_getinfo(t->easy, what, &us);
  return (double)us / 1e6;
}

static void set_number(lua_State *L, const char *name, double value) {
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

/* Sets the field `timings` of the response on top of the stack, whose connection is new: curl
 * counts from when it got the request. */
static void set_timings(lua_State *L, const lpb_http_transfer *t, double elapsed) {
  double name = seconds(t, CURLINFO_NAMELOOKUP_TIME_T),
         connect = seconds(t, CURLINFO_CONNECT_TIME_T),
         tls = seconds(t, CURLINFO_APPCONNECT_TIME_T),
         first = seconds(t, CURLINFO_STARTTRANSFER_TIME_T);
  lua_createtable(L, 0, 5);
  set_number(L, "dns", t->look_up + name);
  set_number(L, "connect", connect > name ? connect - name : 0);
  set_number(L, "tls", tls > connect ? tls - connect : 0);
  set_number(L, "first_byte", t->look_up + first);
  set_number(L, "total", elapsed);
  lua_setfield(L, -2, "timings");
}

/* Sets what is to be told of the connection. Of one that was used before that is the time of
 * the first byte alone: response.lua makes the rest of it. */
static void set_connection(lua_State *L, const lpb_http_transfer *t, double elapsed) {
  const char *address = NULL;
  curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &address);
  if (address && *address) {
    lua_pushstring(L, address);
    lua_setfield(L, -2, "address");
  }
  if (t->user.opened)
    set_timings(L, t, elapsed);
  else
    set_number(L, "first_byte", seconds(t, CURLINFO_STARTTRANSFER_TIME_T));
}

void lpb_http_result_push(lua_State *L, lpb_http_transfer *t, int url) {
  double elapsed = t->stage == LPB_HTTP_ENDED ? t->elapsed : lpb_http_transfer_age(t);
  lua_createtable(L, 0, 8);
  lua_pushinteger(L, t->status);
  lua_setfield(L, -2, "status");
  push_url(L, t, url);
  lua_setfield(L, -2, "url");
  set_text(L, "head", t->head.data, t->head.len);
  set_number(L, "elapsed", elapsed);
  set_connection(L, t, elapsed);
  if (t->trailer.len) set_text(L, "trailer", t->trailer.data, t->trailer.len);
  if (t->body.saves)
    set_text(L, "saved_to", t->body.file.path, strlen(t->body.file.path));
  else if (!t->body.stream)
    set_text(L, "body", t->body.bytes.data, t->body.bytes.len);
}

/* --- errors --- */

/* The first row that fits tells the kind. `said` is a part of curl's words, or NULL, where the
 * code alone is not enough. */
static const struct {
  CURLcode code;
  const char *kind;
  const char *said;
  const char *advice;
} rows[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "dns", NULL, "check the host's name"},
    {CURLE_COULDNT_RESOLVE_PROXY, "dns", NULL, "check the proxy's name"},
    {CURLE_COULDNT_CONNECT, "connect", NULL,
     "check that the server runs and the port is right"},
    {CURLE_PROXY, "connect", NULL, "check the proxy"},
    {CURLE_OPERATION_TIMEDOUT, "timeout", NULL, "see the option connect_timeout"},
    {CURLE_SSL_CONNECT_ERROR, "tls", NULL, "check that the port speaks TLS"},
    {CURLE_PEER_FAILED_VERIFICATION, "tls", NULL,
     "name its authority with the option ca, or trust it with verify=false"},
    {CURLE_SSL_CACERT_BADFILE, "tls", NULL, "check the file of the option ca"},
    {CURLE_SSL_CERTPROBLEM, "tls", NULL, "check the files of the options cert and key"},
    {CURLE_SSL_CIPHER, "tls", NULL, "the server offers no common cipher"},
    {CURLE_SSL_ISSUER_ERROR, "tls", NULL, "check the option ca"},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, "tls", NULL,
     "the server has another key than tls.pin says"},
    {CURLE_SSL_ENGINE_INITFAILED, "tls", NULL, "check the TLS library"},
    {CURLE_SEND_ERROR, "aborted", NULL, "the server closed the connection"},
    {CURLE_RECV_ERROR, "too_large", "Out of memory in chunk",
     "a line behind the body is longer than libcurl takes"},
    {CURLE_RECV_ERROR, "protocol", "chunk", "the server does not speak HTTP as it should"},
    {CURLE_RECV_ERROR, "too_large", "esponse headers", "libcurl takes no more than 300 KB"},
    {CURLE_RECV_ERROR, "connect", "407",
     "put the user and the password that it wants into the proxy's URL"},
    {CURLE_RECV_ERROR, "connect", "CONNECT", "the proxy refuses"},
    {CURLE_RECV_ERROR, "aborted", NULL, "the server closed the connection"},
#if LIBCURL_VERSION_NUM >= 0x080600
    {CURLE_TOO_LARGE, "too_large", NULL, "libcurl takes no more"},
#endif
    {CURLE_GOT_NOTHING, "aborted", NULL, "the server closed the connection"},
    {CURLE_PARTIAL_FILE, "aborted", NULL, "the server closed the connection too early"},
    {CURLE_HTTP2, "aborted", NULL, "the server ended the HTTP/2 connection"},
    {CURLE_HTTP2_STREAM, "aborted", NULL, "the server ended the HTTP/2 stream"},
    {CURLE_OUT_OF_MEMORY, "memory", NULL, "free some"},
    {CURLE_ABORTED_BY_CALLBACK, "aborted", NULL,
     "the body broke off: its file became shorter, or its function failed"},
    {CURLE_INTERFACE_FAILED, "connect", NULL, "see the option interface"},
    {CURLE_READ_ERROR, "system", NULL, "check that the file to send can be read"},
    {CURLE_UNSUPPORTED_PROTOCOL, "protocol", "HTTP/0.9", "the server does not speak HTTP/1"},
    {CURLE_UNSUPPORTED_PROTOCOL, "protocol", NULL, "only http and https are supported"},
    {CURL_LAST, "protocol", NULL, "the server does not speak HTTP as it should"},
};

/* What may be wrong with an answer, apart from what curl finds. */
static const struct {
  int failure;
  const char *kind;
  const char *text;
} failures[] = {
    {LP_EMEMORY, "memory", "not enough memory"},
    {LP_ECLOSED, "aborted",
     "the server closed the kept connection without an answer; not repeated, for it may have "
     "been done"},
    {LPB_HTTP_MULTI_REFUSED, "refused",
     "the host has no public address, see the option only_public"},
    {LPB_HTTP_MULTI_DENIED, "denied", "the host has refused the address"},
    {LPB_HTTP_STATUS_LINE, "protocol", "the status of the answer has more than three digits"},
    {LPB_HTTP_HEAD_CUT, "aborted", "the server closed the connection within the header"},
    {LPB_HTTP_BODY_LENGTH, "protocol", "the server does not say clearly how long the body is"},
    {LPB_HTTP_BODY_RATIO, "too_large",
     "the compressed body expands too far, as one does that is made to harm; see the option "
     "max_ratio"},
    {LPB_HTTP_BODY_DAMAGED, "protocol",
     "the body is not what its Content-Encoding says; take it as it is with decode=false"},
    {LPB_HTTP_FILE_CHECKSUM, "checksum",
     "the digest of the body is not that of the option checksum"},
    {LPB_HTTP_FILE_RANGE, "protocol",
     "the server sent another part of the body than was asked for; the next try begins anew"},
    {LPB_HTTP_FILE_SHORT, "aborted",
     "the server sent no more than a piece; the next try goes on"},
    {LPB_HTTP_BODY_CUT, "protocol",
     "the compressed body ends too early; take it as it is with decode=false"},
};

static int row_of(const lpb_http_transfer *t) {
  int i = 0;
  while (rows[i].code != CURL_LAST) {
    if (rows[i].code == t->code && (!rows[i].said || strstr(t->text, rows[i].said))) break;
    i++;
  }
  return i;
}

/* Says what a request was doing when it was stopped. */
static const char *doing(const lpb_http_transfer *t) {
  curl_off_t sent = 0;
  if (t->last == LPB_HTTP_RESOLVING) return "looking the host's name up";
  if (t->last == LPB_HTTP_JOINING) return "connecting";
  if (t->headed) return "receiving the body";
  curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
  return sent ? "waiting for the answer" : "connecting";
}

/* curl 7.88 has no other code for a line of the header that is longer than its buffer. Newer
 * versions have one, and words where it is something else that is too large. */
static bool header_line_too_long(const lpb_http_transfer *t) {
  curl_off_t sent = 0;
  curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
  bool too_large = (int)t->code == TOO_LARGE && !*t->text;
  return sent && !t->headed && (t->code == CURLE_OUT_OF_MEMORY || too_large);
}

/* Pushes the error of a failure that has a code; `what` is the method and the URL. */
static void push_failure(lua_State *L, lpb_http_transfer *t, const char *what) {
  int failure = t->failure;
  for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
    if (failures[i].failure == failure)
      return lp_raise_push(L, failures[i].kind, "%s: %s", what, failures[i].text);
  if (failure == LP_ETOO_LARGE && t->header_size > t->max_header)
    lp_raise_push(L, "too_large", "%s: the header is larger than %I bytes, see max_header",
                  what, (LUAI_UACINT)t->max_header);
  else if (failure == LP_ETOO_LARGE)
    lp_raise_push(L, "too_large", "%s: the body is larger than %I bytes, see max_body", what,
                  (LUAI_UACINT)t->body.max);
  else if (t->code == CURLE_COULDNT_CONNECT)
    lp_raise_push(L, "connect", "%s: cannot make a socket: %s", what, lp_error_text(failure));
  else if (t->code == CURLE_COULDNT_RESOLVE_HOST)
    lp_raise_push(L, "dns", "%s: cannot look up %s: %s; check the host's name", what,
                  t->url->host->name, lpb_dns_answer_text(failure));
  else if (t->code == CURLE_COULDNT_RESOLVE_PROXY)
    lp_raise_push(L, "dns", "%s: cannot look up %s: %s; check the proxy's name", what,
                  t->via->host->name, lpb_dns_answer_text(failure));
  else
    lp_raise_push(L, lp_error_kind(failure), "%s: cannot write %s: %s", what, t->body.file.path,
                  lp_error_text(failure));
}

const char *lpb_http_result_push_what(lua_State *L, const char *method, const char *url,
                                      size_t len) {
  if (len <= URL_SHOWN) return lua_pushfstring(L, "%s %s", method, url);
  lua_pushfstring(L, "%s ", method);
  lua_pushlstring(L, url, URL_SHOWN);
  lua_pushfstring(L, "... (%I bytes)", (LUAI_UACINT)len);
  lua_concat(L, 3);
  return lua_tostring(L, -1);
}

static void push_timeout(lua_State *L, const lpb_http_transfer *t, const char *what) {
  if (t->stalled) {
    lp_raise_push(L, "timeout", "%s: no byte for %f s (%s)", what, t->stall_timeout, doing(t));
  } else if (t->last != LPB_HTTP_QUEUED) {
    lp_raise_push(L, "timeout", "%s: not done after %f s (%s)", what, t->timeout, doing(t));
  } else {
    const lpb_http_client *c = t->client;
    bool all = c->running >= c->limit;
    int unread = lpb_http_unread_count(&c->transfers);
    lua_pushfstring(L,
                    unread ? "; %d by streams that nobody reads: read them to the end or "
                             "close them"
                           : "",
                    unread);
    lp_raise_push(L, "timeout",
                  "%s: not begun, waiting for a place: all %d are taken, see %s%s", what,
                  all ? c->limit : c->limit_per_host, all ? "limit" : "limit_per_host",
                  lua_tostring(L, -1));
    lua_remove(L, -2);
  }
}

/* Pushes the error of curl. Before there is a way to the server it is the proxy's. */
static void push_error_of_curl(lua_State *L, lpb_http_transfer *t, const char *what) {
  int i = row_of(t);
  curl_off_t sent = 0;
  const char *text = t->text[0] ? t->text : curl_easy_strerror(t->code);
  curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
  if (!t->via || sent)
    lp_raise_push(L, rows[i].kind, "%s: %s; %s", what, text, rows[i].advice);
  else if (t->code == CURLE_COULDNT_CONNECT)
    lp_raise_push(L, "connect",
                  "%s: the proxy %s: %s; check that it runs and its port is right", what,
                  t->via->host->key, text);
  else
    lp_raise_push(L, rows[i].kind, "%s: through the proxy %s: %s; %s", what, t->via->host->key,
                  text, rows[i].advice);
}

void lpb_http_result_push_error(lua_State *L, lpb_http_transfer *t, int status) {
  const char *what = lpb_http_result_push_what(L, t->method, t->url->text, t->url->len);
  if (status == LP_ETIMEOUT) {
    push_timeout(L, t, what);
  } else if (t->failure < 0) {
    push_failure(L, t, what);
  } else if (header_line_too_long(t)) {
    lp_raise_push(L, "too_large",
                  "%s: a line of the header is longer than libcurl takes, 100 KB", what);
  } else {
    push_error_of_curl(L, t, what);
  }
  lua_remove(L, -2); /* what */
  lua_pushstring(L, t->url->text);
  lua_setfield(L, -2, "url");
}

bool lpb_http_result_failed(const lpb_http_transfer *t, int status) {
  if (status < 0) return true;
  return t->stage == LPB_HTTP_ENDED && (t->code != CURLE_OK || t->failure < 0);
}
