/* bench/http_floor.c: the floor of the HTTP benchmark: libcurl on libuv and nothing else.
 *
 * Sends N requests over C connections the cheapest way that was found (polls that stay armed,
 * easy handles and the parsed URL used again), sends the headers that luapool sends, keeps the
 * header and the body of each answer as any client must, and prints the CPU of this process per
 * request in microseconds. http.sh runs it beside luapool, whose http_client.lua takes the same
 * words.
 *
 *     http_floor URL N C [ca=FILE] [fresh] [h2] [hosts=N] [insecure]
 *
 * fresh: each request makes a connection. h2: HTTP/2, with C streams. hosts: the requests go to
 * so many addresses in turn, see address() below. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

typedef struct {
  char *bytes;
  size_t len, cap;
} buffer;

typedef struct {
  CURL *easy;
  buffer head, body;
} slot;

typedef struct {
  uv_poll_t poll;
  curl_socket_t fd;
  int mask;
  bool wanted;
} sock;

static struct {
  uv_loop_t *loop;
  uv_timer_t timer;
  CURLM *multi;
  CURLU **urls;
  sock *socks[65536];
  struct curl_slist *headers;
  long total, started, done, failed;
  bool fresh, h2, insecure;
  long hosts;
  const char *ca;
} floor_;

static double cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static size_t keep(buffer *b, const char *bytes, size_t n) {
  if (b->len + n > b->cap) b->bytes = realloc(b->bytes, b->cap = (b->len + n) * 2);
  memcpy(b->bytes + b->len, bytes, n);
  b->len += n;
  return n;
}

static size_t header_came(char *bytes, size_t size, size_t n, void *of) {
  (void)size; /* 1 */
  return keep(&((slot *)of)->head, bytes, n);
}

static size_t body_came(char *bytes, size_t size, size_t n, void *of) {
  (void)size; /* 1 */
  return keep(&((slot *)of)->body, bytes, n);
}

static void freed(uv_handle_t *h) {
  free(h->data);
}

static int closed(void *unused, curl_socket_t fd) {
  (void)unused;
  sock *s = floor_.socks[fd];
  floor_.socks[fd] = NULL;
  if (s) uv_close((uv_handle_t *)&s->poll, freed);
  return close(fd);
}

static void start(slot *s) {
  s->head.len = s->body.len = 0;
  curl_easy_setopt(s->easy, CURLOPT_CURLU, floor_.urls[floor_.started % floor_.hosts]);
  floor_.started++;
  curl_multi_add_handle(floor_.multi, s->easy);
}

static void finish(CURL *easy, CURLcode code) {
  slot *s;
  long status;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&s);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK || status != 200) floor_.failed++;
  curl_multi_remove_handle(floor_.multi, easy);
  floor_.done++;
  if (floor_.started < floor_.total)
    start(s);
  else if (floor_.done == floor_.total)
    uv_stop(floor_.loop);
}

static void act(curl_socket_t fd, int events) {
  int n;
  curl_multi_socket_action(floor_.multi, fd, events, &n);
  for (CURLMsg *m; (m = curl_multi_info_read(floor_.multi, &n));)
    if (m->msg == CURLMSG_DONE) finish(m->easy_handle, m->data.result);
}

static void ready(uv_poll_t *p, int status, int events) {
  sock *s = p->data;
  if (!s->wanted) {
    uv_poll_stop(p);
    s->mask = 0;
    return;
  }
  int in = events & UV_READABLE ? CURL_CSELECT_IN : 0;
  int out = events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
  act(s->fd, status < 0 ? CURL_CSELECT_ERR : in | out);
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *u, void *p) {
  (void)easy, (void)u, (void)p;
  sock *s = floor_.socks[fd];
  if (what == CURL_POLL_REMOVE) {
    if (s) s->wanted = false;
    return 0;
  }
  if (!s) {
    s = floor_.socks[fd] = calloc(1, sizeof *s);
    s->fd = fd;
    uv_poll_init_socket(floor_.loop, &s->poll, fd);
    s->poll.data = s;
  }
  int mask = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  if (mask != s->mask) uv_poll_start(&s->poll, s->mask = mask, ready);
  s->wanted = true;
  return 0;
}

static void timed_out(uv_timer_t *t) {
  (void)t;
  act(CURL_SOCKET_TIMEOUT, 0);
}

static int timer_changed(CURLM *m, long ms, void *u) {
  (void)m, (void)u;
  if (ms < 0) return uv_timer_stop(&floor_.timer);
  return uv_timer_start(&floor_.timer, timed_out, (uint64_t)ms, 0);
}

static void prepare(slot *s) {
  CURL *e = s->easy = curl_easy_init();
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, header_came);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, body_came);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
  curl_easy_setopt(e, CURLOPT_PRIVATE, s);
  curl_easy_setopt(e, CURLOPT_HTTPHEADER, floor_.headers);
  curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, closed);
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION,
                   floor_.h2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1);
  if (floor_.h2) curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
  curl_easy_setopt(e, CURLOPT_PROXY, "");
  curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
  if (floor_.ca) curl_easy_setopt(e, CURLOPT_CAINFO, floor_.ca);
  if (floor_.insecure) {
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (floor_.fresh) curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
}

/* Puts the n-th of the addresses on which `tests/support/nginx -a` listens into a URL. */
static void address(CURLU *url, long n) {
  char text[32];
  snprintf(text, sizeof text, "127.1.%ld.%ld", n / 250, n % 250 + 1);
  curl_url_set(url, CURLUPART_HOST, text, 0);
}

static void open_floor(const char *url, long connections) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  floor_.loop = uv_default_loop();
  uv_timer_init(floor_.loop, &floor_.timer);
  floor_.headers =
      curl_slist_append(NULL, "User-Agent: luapool/0.1.0\r\nAccept-Encoding: gzip, br");
  floor_.multi = curl_multi_init();
  curl_multi_setopt(floor_.multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
  curl_multi_setopt(floor_.multi, CURLMOPT_TIMERFUNCTION, timer_changed);
  curl_multi_setopt(floor_.multi, CURLMOPT_MAXCONNECTS, connections);
  bool many = floor_.hosts > 0;
  if (!many) floor_.hosts = 1;
  floor_.urls = calloc((size_t)floor_.hosts, sizeof *floor_.urls);
  for (long i = 0; i < floor_.hosts; i++) {
    floor_.urls[i] = curl_url();
    curl_url_set(floor_.urls[i], CURLUPART_URL, url, 0);
    if (many) address(floor_.urls[i], i);
  }
}

static void take_option(const char *word) {
  if (!strcmp(word, "fresh")) floor_.fresh = true;
  if (!strcmp(word, "h2")) floor_.h2 = true;
  if (!strcmp(word, "insecure")) floor_.insecure = true;
  if (!strncmp(word, "hosts=", 6)) floor_.hosts = atol(word + 6);
  if (!strncmp(word, "ca=", 3)) floor_.ca = word + 3;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  floor_.total = atol(argv[2]);
  long connections = atol(argv[3]);
  for (int i = 4; i < argc; i++) take_option(argv[i]);
  open_floor(argv[1], connections);
  slot *slots = calloc((size_t)connections, sizeof *slots);
  double before = cpu();
  for (long i = 0; i < connections && floor_.started < floor_.total; i++) {
    prepare(&slots[i]);
    start(&slots[i]);
  }
  uv_run(floor_.loop, UV_RUN_DEFAULT);
  printf("%.2f\n", (cpu() - before) / (double)floor_.total * 1e6);
  if (floor_.failed) fprintf(stderr, "%ld requests failed\n", floor_.failed);
  return floor_.failed != 0;
}
