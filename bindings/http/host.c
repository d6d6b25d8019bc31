/* bindings/http/host.c: parsed URLs, hosts and their addresses. See host.h. Layer:
 * bindings. */
#include "bindings/http/host.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "bindings/dns/idn.h"
#include "runtime/base/alloc.h"
#include "runtime/base/buf.h"
#include "runtime/base/error.h"

/* Less than curl keeps what it was told (ADDRESS_S in transfer.c). */
static const uint64_t TTL = 60ull * 1000000000ull;

static size_t hash(const char *s, size_t len) {
  size_t h = 5381;
  for (size_t i = 0; i < len; i++) h = h * 33 ^ (unsigned char)s[i];
  return h ^ h >> 15;
}

/* --- hosts --- */

static void host_free(lpb_http_host *h) {
  lpb_dns_resolver_stop(&h->lookup);
  lp_alloc_free(h->uses);
  lp_alloc_free(h->addresses);
  lp_alloc_free(h);
}

static void host_release(lpb_http_host *h) {
  if (--h->refs > 0) return;
  lp_list_remove(&h->link);
  host_free(h);
}

static bool is_literal(const char *name) {
  struct in6_addr any;
  if (inet_pton(AF_INET, name, &any) == 1 || *name == '[') return true;
  size_t len = strlen(name), tail = strlen("localhost");
  if (len < tail || strcasecmp(name + len - tail, "localhost") != 0) return false;
  return len == tail || name[len - tail - 1] == '.';
}

static lpb_http_host *host_new(lpb_http_host_set *hs, const char *scheme, const char *name,
                               const char *port) {
  size_t key = strlen(scheme) + strlen(name) + strlen(port) + sizeof "://:";
  lpb_http_host *h = lp_alloc_new(sizeof *h + key + strlen(name) + strlen(port) + 2);
  if (!h) return NULL;
  snprintf(h->key, key, "%s://%s:%s", scheme, name, port);
  h->name = strcpy(h->key + key, name);
  h->port = strcpy(h->name + strlen(name) + 1, port);
  h->hosts = hs;
  h->literal = is_literal(name);
  lp_list_init(&h->waiting);
  lp_list_init(&h->resolving);
  lp_list_init(&h->joining);
  lp_list_push(&hs->buckets[hash(h->key, key - 1) % LPB_HTTP_BUCKETS], &h->link);
  return h;
}

static lpb_http_host *host_find(lpb_http_host_set *hs, const char *scheme, const char *name,
                                const char *port) {
  char key[512];
  int n = snprintf(key, sizeof key, "%s://%s:%s", scheme, name, port);
  if (n < 0 || (size_t)n >= sizeof key) return NULL;
  lp_list_each (link, &hs->buckets[hash(key, (size_t)n) % LPB_HTTP_BUCKETS]) {
    lpb_http_host *h = lp_list_of(link, lpb_http_host, link);
    if (strcmp(h->key, key) == 0) return h;
  }
  return host_new(hs, scheme, name, port);
}

lpb_http_host_use *lpb_http_host_in(lpb_http_host *h, int n) {
  if (n < h->use_count) return &h->uses[n];
  int count = n + 4;
  lpb_http_host_use *uses = lp_alloc_resize(h->uses, (size_t)count * sizeof *uses);
  if (!uses) return NULL;
  memset(uses + h->use_count, 0, (size_t)(count - h->use_count) * sizeof *uses);
  h->uses = uses;
  h->use_count = count;
  return &uses[n];
}

/* --- URLs --- */

static const char HEX[] = "0123456789ABCDEF";

/* Returns the index at which the name of the host and its port end. */
static size_t authority_end(const char *text, size_t len) {
  const char *slashes = memmem(text, len, "//", 2);
  size_t i = slashes ? (size_t)(slashes - text) + 2 : 0;
  while (i < len && !strchr("/?#", text[i])) i++;
  return i;
}

static int append_encoded(lp_buf *b, unsigned char c) {
  char hex[3] = {'%', HEX[c >> 4], HEX[c & 15]};
  return c <= ' ' || c >= 0x7f ? lp_buf_append(b, hex, 3) : lp_buf_append(b, &c, 1);
}

/* Writes the text as curl may read it, with a final zero. Returns 0, LP_EMEMORY, or LP_ECORRUPT
 * when it holds a control character. */
static int encode(const char *text, size_t len, lp_buf *out) {
  size_t host_end = authority_end(text, len);
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c < ' ' || c == 0x7f) return LP_ECORRUPT;
    int rc = i < host_end ? lp_buf_append(out, &c, 1) : append_encoded(out, c);
    if (rc < 0) return rc;
  }
  return lp_buf_append(out, "", 1);
}

static const char *reason(CURLUcode code) {
  if (code == CURLUE_BAD_SCHEME || code == CURLUE_UNSUPPORTED_SCHEME || code == CURLUE_NO_HOST)
    return "it must begin with http:// or https:// and a host";
  return code == CURLUE_OUT_OF_MEMORY ? "not enough memory" : curl_url_strerror(code);
}

const char *lpb_http_host_encode(CURLU *url) {
  char *name = NULL;
  const char *why = NULL;
  lp_buf ascii = {0};
  CURLUcode code = curl_url_get(url, CURLUPART_HOST, &name, 0);
  if (!code && lpb_dns_idn_needed(name)) {
    int rc = lpb_dns_idn_encode(name, &ascii);
    if (rc < 0)
      why = rc == LP_EMEMORY ? "not enough memory" : "the host's name is no name in UTF-8";
    else
      code = curl_url_set(url, CURLUPART_HOST, ascii.data, 0);
  }
  curl_free(name);
  lp_buf_close(&ascii);
  return code ? reason(code) : why;
}

/* Tells which port is meant where none is given, as curl understands it; NULL: the URL may not
 * have that scheme. */
static const char *default_port(const char *scheme, bool proxy) {
  static const struct {
    const char *scheme, *of_server, *of_proxy;
  } rows[] = {{"http", "80", "1080"},    {"https", "443", "443"},  {"socks4", NULL, "1080"},
              {"socks4a", NULL, "1080"}, {"socks5", NULL, "1080"}, {"socks5h", NULL, "1080"}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strcmp(scheme, rows[i].scheme) == 0)
      return proxy ? rows[i].of_proxy : rows[i].of_server;
  return NULL;
}

/* Finds or makes the host of a URL. Returns NULL, or a text that says why it cannot. */
static const char *find_host(lpb_http_host_set *hs, lpb_http_host_url *u) {
  char *scheme = NULL, *name = NULL, *port = NULL;
  const char *why = NULL, *usual = NULL;
  CURLUcode rc = curl_url_get(u->parsed, CURLUPART_SCHEME, &scheme, 0);
  if (!rc) rc = curl_url_get(u->parsed, CURLUPART_HOST, &name, 0);
  if (!rc) rc = curl_url_get(u->parsed, CURLUPART_PORT, &port, 0);
  if (rc == CURLUE_NO_PORT) rc = CURLUE_OK;
  for (char *c = name; c && *c; c++) *c = (char)tolower((unsigned char)*c);
  if (!rc && !(usual = default_port(scheme, u->proxy))) rc = CURLUE_UNSUPPORTED_SCHEME;
  if (rc)
    why = reason(rc);
  else if (!(u->host = host_find(hs, scheme, name, port ? port : usual)))
    why = "not enough memory";
  else
    u->host->refs++;
  curl_free(scheme);
  curl_free(name);
  curl_free(port);
  return why;
}

static const char *parse(lpb_http_host_set *hs, lpb_http_host_url *u) {
  lp_buf text = {0};
  u->parsed = curl_url();
  int rc = u->parsed ? encode(u->text, u->len, &text) : LP_EMEMORY;
  const char *why = NULL;
  if (rc == LP_ECORRUPT)
    why = "it holds a control character";
  else if (rc < 0)
    why = "not enough memory";
  if (!why) {
    unsigned flags = u->proxy ? CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME : 0;
    CURLUcode code = curl_url_set(u->parsed, CURLUPART_URL, text.data, flags);
    why = code ? reason(code) : lpb_http_host_encode(u->parsed);
    if (!why) {
      code = curl_url_get(u->parsed, CURLUPART_URL, &u->full, 0);
      why = code ? reason(code) : find_host(hs, u);
    }
  }
  lp_buf_close(&text);
  return why;
}

void lpb_http_host_release(lpb_http_host_url *u) {
  if (!u || --u->refs > 0) return;
  curl_url_cleanup(u->parsed);
  curl_free(u->full);
  if (u->host) host_release(u->host);
  lp_alloc_free(u);
}

static lpb_http_host_url *find(lpb_http_host_set *hs, const char *text, size_t len, bool proxy,
                               const char **why) {
  lpb_http_host_url **slot = &hs->urls[(hash(text, len) + proxy) % LPB_HTTP_URLS], *u = *slot;
  if (!u || u->len != len || u->proxy != proxy || memcmp(u->text, text, len) != 0) {
    *why = "not enough memory";
    u = lp_alloc_new(sizeof *u + len + 1);
    if (!u) return NULL;
    u->refs = 1; /* the cache's */
    u->proxy = proxy;
    u->len = len;
    memcpy(u->text, text, len);
    *why = parse(hs, u);
    if (*why) {
      lpb_http_host_release(u);
      return NULL;
    }
    lpb_http_host_release(*slot);
    *slot = u;
  }
  u->refs++;
  return u;
}

lpb_http_host_url *lpb_http_host_find_url(lpb_http_host_set *hs, const char *text, size_t len,
                                          const char **why) {
  return find(hs, text, len, false, why);
}

lpb_http_host_url *lpb_http_host_find_proxy(lpb_http_host_set *hs, const char *text, size_t len,
                                            const char **why) {
  return find(hs, text, len, true, why);
}

/* --- addresses --- */

/* Appends ":address" for the first, ",address" for others ("[address]" for IPv6). */
static int append_address(lp_buf *out, const struct sockaddr_in6 *a) {
  char text[INET6_ADDRSTRLEN + 4] = {0};
  if (a->sin6_family == AF_INET) {
    inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, text, sizeof text);
  } else {
    text[0] = '[';
    inet_ntop(AF_INET6, &a->sin6_addr, text + 1, sizeof text - 2);
    strcat(text, "]");
  }
  int rc = lp_buf_append(out, out->len ? "," : ":", 1);
  return rc < 0 ? rc : lp_buf_append(out, text, strlen(text));
}

/* Writes "+name:port:address,address". The plus makes curl forget the addresses after a while.
 */
static int write_addresses(lpb_http_host *h, const lpb_dns_answer *answer) {
  lp_buf all = {0};
  for (int i = 0; i < answer->count; i++)
    if (append_address(&all, &answer->addresses[i]) < 0) goto fail;
  size_t size = all.len + strlen(h->name) + strlen(h->port) + 3;
  char *text = lp_alloc_resize(h->addresses, size);
  if (!text) goto fail;
  snprintf(text, size, "+%s:%s%.*s", h->name, h->port, (int)all.len, all.data);
  lp_buf_close(&all);
  h->addresses = text;
  return 0;
fail:
  lp_buf_close(&all);
  return UV_ENOMEM;
}

static int set_answer(lpb_http_host *h, const lpb_dns_answer *answer) {
  int status = answer->status < 0 ? answer->status : write_addresses(h, answer);
  if (status < 0) return status;
  uint64_t latest = uv_hrtime() + TTL;
  h->generation++;
  h->expires = answer->expires < latest ? answer->expires : latest;
  return 0;
}

static void looked_up(lpb_dns_resolver_query *q, const lpb_dns_answer *answer) {
  lpb_http_host *h = lp_list_of(q, lpb_http_host, lookup);
  h->hosts->resolved(h, set_answer(h, answer));
}

int lpb_http_host_resolve(lpb_http_host *h) {
  if (h->literal || uv_hrtime() < h->expires) return 1;
  if (h->lookup.resolver) return 0;
  h->lookup.done = looked_up;
  const lpb_dns_answer *known =
      lpb_dns_resolver_ask(h->hosts->st, &h->lookup, h->name, LPB_DNS_ANY);
  if (!known) return 0;
  int status = set_answer(h, known);
  return status < 0 ? status : 1;
}

int lpb_http_host_tell(lpb_http_host *h, int n, struct curl_slist **list) {
  lpb_http_host_use *use = lpb_http_host_in(h, n);
  if (!use) return LP_EMEMORY;
  if (use->generation == h->generation) return 0;
  struct curl_slist *longer = curl_slist_append(*list, h->addresses);
  if (!longer) return LP_EMEMORY;
  *list = longer;
  use->generation = h->generation;
  return 0;
}

void lpb_http_host_forget(lpb_http_host *h) {
  h->expires = 0;
}

/* --- all of them --- */

void lpb_http_host_open(lpb_http_host_set *hs, lp_state *st,
                        void (*resolved)(lpb_http_host *host, int status)) {
  *hs = (lpb_http_host_set){.st = st, .resolved = resolved};
  for (int i = 0; i < LPB_HTTP_BUCKETS; i++) lp_list_init(&hs->buckets[i]);
}

void lpb_http_host_close(lpb_http_host_set *hs) {
  if (!hs->st) return;
  for (int i = 0; i < LPB_HTTP_URLS; i++) lpb_http_host_release(hs->urls[i]);
  *hs = (lpb_http_host_set){0};
}
