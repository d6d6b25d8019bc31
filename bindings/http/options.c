/* bindings/http/options.c: one table of options. A row names a field of the plan and the
 * function that sets it on curl's handle. Layer: bindings. */
#include "bindings/http/options.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "bindings/dns/public.h"
#include "bindings/http/client.h"
#include "bindings/http/upload.h"

/* Sets an option of curl to the value on top of the stack, and leaves the value there. */
typedef CURLcode setter(lua_State *L, lpb_http_transfer *t, CURLoption id);

static CURLcode set_text(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  return curl_easy_setopt(t->easy, id, lua_tostring(L, -1));
}

static CURLcode set_stream(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->body.stream = lua_toboolean(L, -1);
  return CURLE_OK;
}

static CURLcode set_timeout(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->timeout = lua_tonumber(L, -1);
  return CURLE_OK;
}

/* The client measures it. curl has a limit, too, which is CURL_CONNECT_S unless it is told
 * another. */
static CURLcode set_connect_timeout(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  enum { CURL_CONNECT_S = 300 };
  t->connect_timeout = lua_tonumber(L, -1);
  if (t->connect_timeout < CURL_CONNECT_S) return CURLE_OK;
  t->set = true;
  return curl_easy_setopt(t->easy, id, (long)(fmin(t->connect_timeout, 1e6) * 1000));
}

static CURLcode set_queue_timeout(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->queue_timeout = lua_tonumber(L, -1);
  return CURLE_OK;
}

static CURLcode set_stall_timeout(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->stall_timeout = lua_tonumber(L, -1);
  return CURLE_OK;
}

static CURLcode set_max_body(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->body.max = lua_isinteger(L, -1) ? (size_t)lua_tointeger(L, -1) : SIZE_MAX;
  return CURLE_OK;
}

static CURLcode set_spent(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->spent = lua_tonumber(L, -1);
  return CURLE_OK;
}

static CURLcode set_max_header(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->max_header = (size_t)lua_tointeger(L, -1);
  return CURLE_OK;
}

static CURLcode set_max_ratio(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->body.max_ratio = lua_tonumber(L, -1); /* false: 0 */
  return CURLE_OK;
}

static CURLcode set_redirects(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->follows = lua_tointeger(L, -1) > 0;
  return CURLE_OK;
}

/* SOCKS 4 and 5 are given the address of the host; all other proxies look it up. */
static CURLcode set_proxy(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  size_t len;
  const char *why, *url = lua_tolstring(L, -1, &len);
  if (len == 0) return CURLE_OK;
  t->via = lpb_http_host_find_proxy(&t->client->hosts, url, len, &why);
  if (!t->via) return CURLE_BAD_FUNCTION_ARGUMENT;
  const char *key = t->via->host->key, *text = t->via->text;
  t->addressed = strncmp(key, "socks5:", 7) != 0 && strncmp(key, "socks4:", 7) != 0;
  return curl_easy_setopt(t->easy, id, text);
}

static CURLcode set_way(lpb_http_transfer *t, CURLoption id, const char *place) {
  curl_slist_free_all(t->way);
  t->way = NULL;
  CURLcode rc = lpb_http_add_line(&t->way, place);
  return rc == CURLE_OK ? curl_easy_setopt(t->easy, id, t->way) : rc;
}

/* The address of the option resolve. It holds for this request alone, unlike CURLOPT_RESOLVE.
 */
static CURLcode set_connect_to(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  char place[INET6_ADDRSTRLEN + sizeof "::[]:"];
  const char *address = lua_tostring(L, -1);
  snprintf(place, sizeof place, strchr(address, ':') ? "::[%s]:" : "::%s:", address);
  t->addressed = true;
  return set_way(t, id, place);
}

/* Adds the header Host, unless the script gives one, to those that are sent. */
static CURLcode add_host(lpb_http_transfer *t) {
  const lpb_http_host *h = t->url->host;
  const struct curl_slist *line = t->headers;
  while (line && strncasecmp(line->data, "host:", 5) != 0) line = line->next;
  if (line) return CURLE_OK;
  char text[512];
  bool usual = strcmp(h->port, "443") == 0;
  snprintf(text, sizeof text, "Host: %s%s%s", h->name, usual ? "" : ":", usual ? "" : h->port);
  const struct curl_slist *defaults = t->headers ? NULL : t->http->headers;
  CURLcode rc = lpb_http_add_line(&t->headers, text);
  for (line = defaults; line && rc == CURLE_OK; line = line->next)
    rc = lpb_http_add_line(&t->headers, line->data);
  return rc == CURLE_OK ? curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers) : rc;
}

/* curl asks the server for the host of the URL, so the URL that curl gets has the other name,
 * and the connection is led to the host. */
static CURLcode set_server_name(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  const lpb_http_host *h = t->url->host;
  if (strncmp(h->key, "https:", 6) != 0) return CURLE_OK;
  t->named = curl_url_dup(t->url->parsed);
  if (!t->named) return CURLE_OUT_OF_MEMORY;
  if (curl_url_set(t->named, CURLUPART_HOST, lua_tostring(L, -1), 0) != CURLUE_OK)
    return CURLE_BAD_FUNCTION_ARGUMENT;
  lua_pushfstring(L, "::%s:%s", h->name, h->port);
  CURLcode rc = t->way ? CURLE_OK : set_way(t, id, lua_tostring(L, -1));
  if (rc == CURLE_OK) rc = add_host(t);
  lua_pop(L, 1);
  return rc;
}

static CURLcode set_tls_min(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  static const long versions[] = {CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_TLSv1_1,
                                  CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_TLSv1_3};
  const char *name = lua_tostring(L, -1); /* "1.0" to "1.3" */
  return curl_easy_setopt(t->easy, id, versions[name[2] - '0']);
}

static CURLcode set_only_public(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  if (lua_toboolean(L, -1) && !t->via) t->user.allow = lpb_dns_public_address;
  return CURLE_OK;
}

/* Nothing is looked up for a socket of the file system. */
static CURLcode set_unix_socket(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  t->addressed = true;
  return set_text(L, t, id);
}

/* true: the user's file. */
static CURLcode set_netrc(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  if (lua_type(L, -1) == LUA_TSTRING) set_text(L, t, CURLOPT_NETRC_FILE);
  return curl_easy_setopt(t->easy, id,
                          lua_toboolean(L, -1) ? CURL_NETRC_OPTIONAL : CURL_NETRC_IGNORED);
}

static CURLcode set_cookies(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  t->cookied = true;
  return set_text(L, t, id);
}

static CURLcode set_auth(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  static const struct {
    const char *name;
    unsigned long value;
  } types[] = {{"basic", CURLAUTH_BASIC}, {"digest", CURLAUTH_DIGEST}, {"ntlm", CURLAUTH_NTLM}};
  const char *name = lua_tostring(L, -1);
  t->challenged = strcmp(name, "basic") != 0;
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(name, types[i].name) == 0) return curl_easy_setopt(t->easy, id, types[i].value);
  return CURLE_BAD_FUNCTION_ARGUMENT;
}

static CURLcode set_verify(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  long on = lua_toboolean(L, -1);
  curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, on ? 2L : 0L);
  return curl_easy_setopt(t->easy, id, on);
}

static CURLcode set_version(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  static const struct {
    const char *name;
    long value;
  } versions[] = {{"1.0", CURL_HTTP_VERSION_1_0},
                  {"1.1", CURL_HTTP_VERSION_1_1},
                  {"2", CURL_HTTP_VERSION_2TLS}};
  for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
    if (strcmp(lua_tostring(L, -1), versions[i].name) != 0) continue;
    CURLcode rc = curl_easy_setopt(t->easy, id, versions[i].value);
    t->h2 = versions[i].value == CURL_HTTP_VERSION_2TLS;
    return rc || !t->h2 ? rc : lpb_http_flood_watch(t->easy, &t->http->polls.flood);
  }
  return CURLE_BAD_FUNCTION_ARGUMENT;
}

static CURLcode set_decode(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  t->body.as_it_is = !lua_toboolean(L, -1);
  return CURLE_OK;
}

static CURLcode set_headers(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, -1, i);
    CURLcode rc = lpb_http_add_line(&t->headers, lua_tostring(L, -1));
    lua_pop(L, 1);
    if (rc != CURLE_OK) return rc;
  }
  return curl_easy_setopt(t->easy, id, t->headers);
}

static CURLcode set_save(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  int rc = lpb_http_file_open(&t->body.file, lua_tostring(L, -1));
  return rc < 0 ? CURLE_OUT_OF_MEMORY : CURLE_OK;
}

/* What is there of the file is left out, provided that the server still has the same. */
static CURLcode set_resume(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  lpb_http_file *f = &t->body.file;
  if (!lua_isstring(L, -1)) return CURLE_OK; /* false */
  if (lpb_http_file_resume(f, lua_tostring(L, -1)) < 0) return CURLE_OUT_OF_MEMORY;
  if (f->size == 0) return CURLE_OK;
  lua_pushfstring(L, "Range: bytes=%I-", (LUAI_UACINT)f->size);
  lua_pushfstring(L, "If-Range: %s", f->part.validator);
  for (int i = -2; i < 0; i++) {
    CURLcode rc = lpb_http_add_line(&t->headers, lua_tostring(L, i));
    if (rc != CURLE_OK) return rc;
  }
  lua_pop(L, 2);
  return curl_easy_setopt(t->easy, id, t->headers);
}

static CURLcode set_checksum(lua_State *L, lpb_http_transfer *t, CURLoption id) {
  (void)id;
  int rc = lpb_http_file_check(&t->body.file, lua_tostring(L, -1), t->http->st, &t->flush);
  return rc < 0 ? CURLE_BAD_FUNCTION_ARGUMENT : CURLE_OK;
}

/* --- the plan --- */

/* lpb_http_transfer_clear undoes what a CHEAP row sets; any other row costs a reset. */
#define ROW(name, set, id)                                                                     \
  { #name, set, id, false, "libcurl refuses the option " #name }
#define CHEAP(name, set, id)                                                                   \
  { #name, set, id, true, "libcurl refuses the option " #name }
static const struct {
  const char *name;
  setter *set;
  CURLoption id;
  bool cheap;
  const char *refusal;
} rows[] = {
    CHEAP(stream, set_stream, 0), /* before body */
    ROW(body, lpb_http_upload_set_text, CURLOPT_POSTFIELDS),
    ROW(multipart, lpb_http_upload_set_parts, CURLOPT_MIMEPOST),
    ROW(file, lpb_http_upload_set_file, 0),
    ROW(content_length, lpb_http_upload_set_length, 0), /* before source */
    ROW(source, lpb_http_upload_set_source, 0),
    ROW(interface, set_text, CURLOPT_INTERFACE),
    ROW(unix_socket, set_unix_socket, CURLOPT_UNIX_SOCKET_PATH),
    ROW(netrc, set_netrc, CURLOPT_NETRC),
    CHEAP(headers, set_headers, CURLOPT_HTTPHEADER),
    ROW(auth_type, set_auth, CURLOPT_HTTPAUTH),
    ROW(user, set_text, CURLOPT_USERNAME),
    ROW(password, set_text, CURLOPT_PASSWORD),
    CHEAP(cookies, set_cookies, CURLOPT_COOKIE),
    CHEAP(timeout, set_timeout, 0),
    CHEAP(connect_timeout, set_connect_timeout, CURLOPT_CONNECTTIMEOUT_MS),
    CHEAP(queue_timeout, set_queue_timeout, 0),
    CHEAP(stall_timeout, set_stall_timeout, 0),
    CHEAP(spent, set_spent, 0),
    CHEAP(redirects, set_redirects, 0),
    ROW(verify, set_verify, CURLOPT_SSL_VERIFYPEER),
    ROW(ca, set_text, CURLOPT_CAINFO),
    ROW(cert, set_text, CURLOPT_SSLCERT),
    ROW(key, set_text, CURLOPT_SSLKEY),
    ROW(key_password, set_text, CURLOPT_KEYPASSWD),
    ROW(tls_min, set_tls_min, CURLOPT_SSLVERSION),
    ROW(tls_ciphers, set_text, CURLOPT_SSL_CIPHER_LIST),
    ROW(tls13_ciphers, set_text, CURLOPT_TLS13_CIPHERS),
    ROW(tls_pin, set_text, CURLOPT_PINNEDPUBLICKEY),
    ROW(proxy, set_proxy, CURLOPT_PROXY),
    ROW(connect_to, set_connect_to, CURLOPT_CONNECT_TO),   /* after proxy */
    ROW(server_name, set_server_name, CURLOPT_CONNECT_TO), /* after connect_to */
    CHEAP(only_public, set_only_public, 0),                /* after proxy */
    ROW(http_version, set_version, CURLOPT_HTTP_VERSION),
    CHEAP(max_body, set_max_body, 0),
    CHEAP(max_ratio, set_max_ratio, 0),
    CHEAP(max_header, set_max_header, 0),
    CHEAP(save_to, set_save, 0),
    CHEAP(resume, set_resume, CURLOPT_HTTPHEADER), /* behind headers */
    CHEAP(checksum, set_checksum, 0),
    CHEAP(decode, set_decode, 0),
};

/* Runs protected. Its arguments are the transfer and the plan. Returns NULL or a static text
 * that says what failed, as a light userdata. */
static int apply(lua_State *L) {
  lpb_http_transfer *t = lua_touserdata(L, 1);
  const char *failed = NULL;
  for (size_t i = 0; i < sizeof rows / sizeof *rows && !failed; i++) {
    lua_pushstring(L, rows[i].name);
    if (lua_rawget(L, 2) != LUA_TNIL) {
      if (rows[i].set(L, t, rows[i].id) != CURLE_OK) failed = rows[i].refusal;
      if (!rows[i].cheap) t->set = true;
    }
    lua_pop(L, 1);
  }
  lua_pushlightuserdata(L, (void *)failed);
  return 1;
}

static const char *set_plan(lua_State *L, lpb_http_transfer *t, int plan) {
  plan = lua_absindex(L, plan);
  lua_pushcfunction(L, apply);
  lua_pushlightuserdata(L, t);
  lua_pushvalue(L, plan);
  int rc = lua_pcall(L, 2, 1, 0);
  const char *failed = rc == LUA_OK ? lua_touserdata(L, -1) : "not enough memory";
  lua_pop(L, 1);
  return failed;
}

static void set_method(lpb_http_transfer *t, const char *method) {
  CURL *e = t->easy;
  t->set = true;
  snprintf(t->method, sizeof t->method, "%s", method);
  if (strcmp(method, "HEAD") == 0)
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
  else if (strcmp(method, "POST") != 0 || t->uploads)
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, t->method);
}

/* Tells whether RFC 9110 calls the method idempotent. */
static bool is_idempotent(const char *method) {
  static const char *const names[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(method, names[i]) == 0) return true;
  return false;
}

/* Tells whether the plan's values are all in the handle and in fields of the transfer, so that
 * they may stay there. */
static bool may_keep(const lpb_http_transfer *t) {
  return !t->form && !t->upload && !t->body.file.path && lp_list_empty(&t->sources);
}

const char *lpb_http_options_set(lua_State *L, lpb_http_transfer *t, const char *method,
                                 int plan, bool keep) {
  keep = keep && strcmp(method, "GET") == 0;
  if (t->kept && keep) return NULL;
  lpb_http_transfer_unkeep(t);
  const char *failed = plan ? set_plan(L, t, plan) : NULL;
  if (t->set || strcmp(method, "GET") != 0) set_method(t, method);
  t->once = !is_idempotent(method);
  t->kept = keep && !failed && may_keep(t);
  return failed;
}
