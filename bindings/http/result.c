/* bindings/http/result.c: responses and errors as Lua values. One table says which kind of
 * error a code of curl is, and what to do about it. Layer: bindings. */
#include "bindings/http/result.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/base/error.h"
#include "runtime/loop/raise.h"

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

void lpb_http_result_push(lua_State *L, lpb_http_transfer *t, int url) {
  long status = 0;
  curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
  lua_createtable(L, 0, 5);
  lua_pushinteger(L, status);
  lua_setfield(L, -2, "status");
  push_url(L, t, url);
  lua_setfield(L, -2, "url");
  set_text(L, "head", t->head.data, t->head.len);
  lua_pushnumber(L, t->stage == LPB_HTTP_ENDED ? t->elapsed : lpb_http_transfer_age(t));
  lua_setfield(L, -2, "elapsed");
  if (t->saves)
    set_text(L, "saved_to", t->file.path, strlen(t->file.path));
  else if (!t->stream)
    set_text(L, "body", t->body.data, t->body.len);
}

/* --- errors --- */

static const struct {
  CURLcode code;
  const char *kind;
  const char *advice;
} rows[] = {
    {CURLE_COULDNT_RESOLVE_HOST, "dns", "check the host's name"},
    {CURLE_COULDNT_RESOLVE_PROXY, "dns", "check the proxy's name"},
    {CURLE_COULDNT_CONNECT, "connect", "check that the server runs and the port is right"},
    {CURLE_PROXY, "connect", "check the proxy"},
    {CURLE_OPERATION_TIMEDOUT, "timeout", "see the option connect_timeout"},
    {CURLE_SSL_CONNECT_ERROR, "tls", "check that the port speaks TLS"},
    {CURLE_PEER_FAILED_VERIFICATION, "tls",
     "name its authority with the option ca, or trust it with verify=false"},
    {CURLE_SSL_CACERT_BADFILE, "tls", "check the file of the option ca"},
    {CURLE_SSL_CERTPROBLEM, "tls", "check the files of the options cert and key"},
    {CURLE_SSL_CIPHER, "tls", "the server offers no common cipher"},
    {CURLE_SSL_ISSUER_ERROR, "tls", "check the option ca"},
    {CURLE_SSL_ENGINE_INITFAILED, "tls", "check the TLS library"},
    {CURLE_SEND_ERROR, "aborted", "the server closed the connection"},
    {CURLE_RECV_ERROR, "aborted", "the server closed the connection"},
    {CURLE_GOT_NOTHING, "aborted", "the server closed the connection"},
    {CURLE_PARTIAL_FILE, "aborted", "the server closed the connection too early"},
    {CURLE_HTTP2, "aborted", "the server ended the HTTP/2 connection"},
    {CURLE_HTTP2_STREAM, "aborted", "the server ended the HTTP/2 stream"},
    {CURLE_OUT_OF_MEMORY, "memory", "free some"},
    {CURLE_READ_ERROR, "system", "check that the file to send can be read"},
    {CURLE_UNSUPPORTED_PROTOCOL, "protocol", "only http and https are supported"},
    {CURLE_BAD_CONTENT_ENCODING, "protocol", "take the body as it is with decode=false"},
    {CURL_LAST, "protocol", "the server does not speak HTTP as it should"},
};

static int row_of(CURLcode code) {
  int i = 0;
  while (rows[i].code != code && rows[i].code != CURL_LAST) i++;
  return i;
}

/* Says what a request was doing when it was stopped. */
static const char *doing(const lpb_http_transfer *t) {
  curl_off_t sent = 0;
  if (t->last == LPB_HTTP_QUEUED) return "waiting for a free connection, see the option limit";
  if (t->last == LPB_HTTP_RESOLVING) return "looking the host's name up";
  if (t->headed) return "receiving the body";
  curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
  return sent ? "waiting for the answer" : "connecting";
}

static void push_failure(lua_State *L, lpb_http_transfer *t, int failure) {
  const char *m = t->method, *url = t->url->text;
  if (failure == LP_ETOO_LARGE && !t->headed)
    lp_raise_push(L, "too_large", "%s %s: the header of the response is too large", m, url);
  else if (failure == LP_ETOO_LARGE)
    lp_raise_push(L, "too_large", "%s %s: the body is larger than %I bytes, see max_body", m,
                  url, (LUAI_UACINT)t->max_body);
  else if (failure == LP_ECLOSED)
    lp_raise_push(L, "aborted",
                  "%s %s: the server closed the kept connection without an answer; "
                  "not repeated, for it may have been done",
                  m, url);
  else if (failure == LP_EMEMORY)
    lp_raise_push(L, "memory", "%s %s: not enough memory", m, url);
  else if (t->code == CURLE_COULDNT_CONNECT)
    lp_raise_push(L, "connect", "%s %s: cannot make a socket: %s", m, url,
                  lp_error_text(failure));
  else if (t->code == CURLE_COULDNT_RESOLVE_HOST)
    lp_raise_push(L, "dns", "%s %s: cannot look up %s: %s; check the host's name", m, url,
                  t->url->host->name, lpb_dns_answer_text(failure));
  else
    lp_raise_push(L, lp_error_kind(failure), "%s %s: cannot write %s: %s", m, url, t->file.path,
                  lp_error_text(failure));
}

void lpb_http_result_push_error(lua_State *L, lpb_http_transfer *t, int status) {
  const char *url = t->url->text;
  if (status == LP_ETIMEOUT) {
    lp_raise_push(L, "timeout", "%s %s: not done after %f s (%s)", t->method, url, t->timeout,
                  doing(t));
  } else if (t->failure < 0) {
    push_failure(L, t, t->failure);
  } else {
    int i = row_of(t->code);
    const char *text = t->text[0] ? t->text : curl_easy_strerror(t->code);
    lp_raise_push(L, rows[i].kind, "%s %s: %s; %s", t->method, url, text, rows[i].advice);
  }
  lua_pushstring(L, url);
  lua_setfield(L, -2, "url");
}

bool lpb_http_result_failed(const lpb_http_transfer *t, int status) {
  if (status < 0) return true;
  return t->stage == LPB_HTTP_ENDED && (t->code != CURLE_OK || t->failure < 0);
}
