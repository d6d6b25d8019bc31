/* bindings/http/client.c: queues, connections and the life of a client. See client.h.
 *
 * Invariant: client->running and host->running count the transfers in the stages RESOLVING,
 * JOINING and RUNNING, and never pass the limits; a transfer is queued only while one of the
 * limits is reached. Layer: bindings. */
#include "bindings/http/client.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/loop.h"

/* Connections of one host in one multi handle: beyond them curl's cost per request doubles. */
#ifdef LP_TINY
enum { SPREAD = 2 };
#else
enum { SPREAD = 64 };
#endif

enum {
  KEEP = 100,    /* idle connections that a multi handle keeps at least */
  QUEUE_S = 300, /* without a place becoming free, unless the request says how long it waits */
};

static const double FOR_EVER = 1e10;

/* --- slots: who may run --- */

static bool host_full(const lpb_http_client *c, const lpb_http_host *h) {
  return c->limit_per_host > 0 && h->running >= c->limit_per_host;
}

static void take_slot(lpb_http_transfer *t) {
  t->client->running++;
  t->url->host->running++;
}

/* Gives the slots of a transfer back. One that limit_per_host kept back is put first in the
 * queue of the client, because it waited longer than all others there. */
static void free_slot(lpb_http_transfer *t) {
  lpb_http_client *c = t->client;
  c->running--;
  t->url->host->running--;
  if (c->queued) c->moved = t->url->host->moved = uv_hrtime();
  lp_list *next = lp_list_shift(&t->url->host->waiting);
  if (next) lp_list_unshift(&c->waiting, next);
}

/* --- running --- */

static void ended(CURL *easy, CURLcode code);

static lpb_http_multi *multi_at(lpb_http_client *c, int n) {
  if (n < c->multi_count) return c->multis[n];
  lpb_http_multi **multis = lp_alloc_resize(c->multis, (size_t)(n + 1) * sizeof *multis);
  if (!multis) return NULL;
  c->multis = multis;
  long keep = c->limit > KEEP ? c->limit : KEEP;
  multis[n] = lpb_http_multi_open(c->http->st, &c->http->polls, keep, ended);
  if (!multis[n]) return NULL;
  c->multi_count++;
  return multis[n];
}

/* Finds the first multi handle in which the host has room, and notes its index. */
static lpb_http_host_use *find_multi(lpb_http_transfer *t) {
  for (int n = 0;; n++) {
    lpb_http_host_use *use = lpb_http_host_in(t->url->host, n);
    if (use && (use->running >= SPREAD || (t->user.shares && use->stalled))) continue;
    t->multi = n;
    return use;
  }
}

/* Tells the multi handle of a transfer the addresses that it does not know yet. */
static int set_addresses(lpb_http_transfer *t) {
  int rc = lpb_http_host_tell(t->url->host, t->multi, &t->addresses);
  if (rc == 0 && t->via) rc = lpb_http_host_tell(t->via->host, t->multi, &t->addresses);
  if (t->addresses) curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->addresses);
  return rc;
}

static void wait_for(lpb_http_transfer *t, lpb_http_transfer_stage stage, lp_list *list);

/* Runs a transfer; one that may share a connection waits while another one opens it. */
static int run(lpb_http_transfer *t) {
  lpb_http_host_use *use = find_multi(t);
  if (use && t->user.shares && use->opening > 0 && use->sharing == 0) {
    wait_for(t, LPB_HTTP_JOINING, &t->url->host->joining);
    return 0;
  }
  lpb_http_multi *m = use ? multi_at(t->client, t->multi) : NULL;
  t->user.group = t->url->host;
  if (!m || set_addresses(t) < 0 || lpb_http_multi_start(m, t->easy) < 0) return LP_EMEMORY;
  t->stage = LPB_HTTP_RUNNING;
  use->running++;
  if (t->user.shares) use->opening++;
  return 0;
}

/* Adds what has become of a request to the counts of its client. */
static void count(lpb_http_transfer *t) {
  lpb_http_client_counts *n = &t->client->counts;
  long connections = 0;
  curl_off_t sent = 0;
  if (t->stage == LPB_HTTP_RUNNING) { /* else curl counts an earlier request */
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connections);
  }
  n->requests++;
  n->connections += (uint64_t)connections;
  n->sent += (uint64_t)sent;
  n->received += t->body.came;
  if (t->status > 0 && t->status < LPB_HTTP_STATUSES)
    n->statuses[t->status]++;
  else
    n->failed++;
}

static void fail(lpb_http_transfer *t, CURLcode code, int failure) {
  count(t);
  free_slot(t);
  t->stage = LPB_HTTP_ENDED;
  lpb_http_transfer_end(t, code, failure);
}

static void connect_late(lp_timer *timer) {
  lpb_http_transfer *t = lp_list_of(timer, lpb_http_transfer, late);
  if (t->stage != LPB_HTTP_RUNNING) count(t);
  lpb_http_client_stop(t);
  snprintf(t->text, sizeof t->text, "not connected after %g s%s", t->connect_timeout,
           t->last == LPB_HTTP_RESOLVING ? " (looking the host's name up)" : "");
  lpb_http_transfer_end(t, CURLE_OPERATION_TIMEDOUT, 0);
}

/* Starts the clock of connect_timeout, or goes on with it. */
static void await_connection(lpb_http_transfer *t) {
  double now = lp_loop_now(t->http->st);
  if (t->asked == 0) t->asked = now;
  t->late.fire = connect_late;
  lp_loop_after(t->http->st, &t->late, t->connect_timeout - (now - t->asked));
}

/* curl makes a connection for a transfer. The clock is ours because curl starts its own for
 * each request, also where a kept connection is used. */
static void opening(lpb_http_multi_user *user) {
  lpb_http_transfer *t = lp_list_of(user, lpb_http_transfer, user);
  if (!t->late.place) await_connection(t);
}

/* Makes a transfer wait for the address of its host or for a connection to share, at most as
 * long as it may take to connect. */
static void wait_for(lpb_http_transfer *t, lpb_http_transfer_stage stage, lp_list *list) {
  t->stage = stage;
  lp_list_push(list, &t->link);
  await_connection(t);
}

/* Its time begins. The task of one that has been in a queue waits already, until another time.
 */
static void start_clock(lpb_http_transfer *t) {
  lpb_http_transfer_clock(t);
  t->began = t->since;
  if (t->wait && t->wait->op.waiting) lp_op_extend(&t->wait->op, lpb_http_client_left(t));
}

/* Ends a transfer because the look-up of a host has failed. */
static void fail_resolving(lpb_http_transfer *t, const lpb_http_host *h, int status) {
  bool proxy = t->via && t->via->host == h;
  fail(t, proxy ? CURLE_COULDNT_RESOLVE_PROXY : CURLE_COULDNT_RESOLVE_HOST, status);
}

/* Runs a transfer that has its slots, or makes it wait for the address of its proxy, and then
 * for that of its host. */
static void proceed(lpb_http_transfer *t) {
  lpb_http_host *h = t->via ? t->via->host : t->url->host;
  int rc = t->via || !t->addressed ? lpb_http_host_resolve(h) : 1;
  if (rc == 1 && t->via && !t->addressed) rc = lpb_http_host_resolve(h = t->url->host);
  if (rc == 0)
    wait_for(t, LPB_HTTP_RESOLVING, &h->resolving);
  else if (rc < 0)
    fail_resolving(t, h, rc);
  else if (run(t) < 0)
    fail(t, CURLE_OUT_OF_MEMORY, LP_EMEMORY);
}

static void begin(lpb_http_transfer *t) {
  t->client->queued--;
  t->stage = LPB_HTTP_RESOLVING;
  start_clock(t);
  proceed(t);
}

/* Begins as many transfers as the limits allow. */
static void pump(lpb_http_client *c) {
  while (c->running < c->limit) {
    lp_list *link = lp_list_shift(&c->waiting);
    if (!link) return;
    lpb_http_transfer *t = lp_list_of(link, lpb_http_transfer, link);
    if (host_full(c, t->url->host)) {
      lp_list_push(&t->url->host->waiting, &t->link);
    } else {
      take_slot(t);
      begin(t);
    }
  }
}

/* Runs transfers that have waited, or ends them because the look-up of `h` has failed. */
static void end_waits(lp_list *list, const lpb_http_host *h, int status) {
  lp_list ready;
  lp_list_init(&ready);
  lp_list_join(&ready, list);
  lpb_http_client *c = NULL;
  for (lp_list *link; (link = lp_list_shift(&ready));) {
    lpb_http_transfer *t = lp_list_of(link, lpb_http_transfer, link);
    c = t->client;
    if (t->stage == LPB_HTTP_RESOLVING) t->look_up = lp_loop_now(t->http->st) - t->asked;
    lp_timer_stop(&t->http->st->timers, &t->late);
    if (status < 0)
      fail_resolving(t, h, status);
    else
      proceed(t);
  }
  if (c) pump(c);
}

static void resolved(lpb_http_host *h, int status) {
  end_waits(&h->resolving, h, status);
}

static void join_run(lp_flush *f) {
  end_waits(&lp_list_of(f, lpb_http_client, join)->joined, NULL, 0);
}

/* Lets those go on in the next turn of the loop that wait for a connection to the host. */
static void release_joining(lpb_http_client *c, lpb_http_host *h) {
  if (lp_list_empty(&h->joining)) return;
  lp_list_join(&c->joined, &h->joining);
  lp_loop_flush(c->http->st, &c->join);
}

/* A transfer that may share its connection has one. Called by a callback of curl. */
static void connected(lpb_http_transfer *t) {
  lpb_http_host_use *use = &t->url->host->uses[t->multi];
  use->opening--;
  use->sharing++;
  t->joined = true;
  release_joining(t->client, t->url->host);
}

/* Takes a transfer that ran out of the counts of its multi handle, host and client. */
static void leave(lpb_http_transfer *t) {
  count(t);
  lp_timer_stop(&t->http->st->timers, &t->late);
  lpb_http_host_use *use = &t->url->host->uses[t->multi];
  use->running--;
  if (t->user.shares) {
    if (t->joined)
      use->sharing--;
    else
      use->opening--;
    t->joined = false;
    if (use->sharing == 0) use->stalled = false;
    release_joining(t->client, t->url->host);
  }
  free_slot(t);
  t->stage = LPB_HTTP_ENDED;
}

/* Repeats a request when something that is not HTTP came first on a kept connection: it is the
 * rest of an answer before, such as the body of a HEAD, that came late. */
static bool repeat(lpb_http_transfer *t, CURLcode code) {
  long connections = 1;
  if (code != CURLE_UNSUPPORTED_PROTOCOL || !t->sent || t->answered || t->once || t->uploads)
    return false;
  curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connections);
  if (connections > 0) return false;
  lpb_http_transfer_freshen(t);
  return lpb_http_multi_start(t->client->multis[t->multi], t->easy) == 0;
}

static void ended(CURL *easy, CURLcode code) {
  lpb_http_transfer *t = lp_list_of(lpb_http_multi_user_of(easy), lpb_http_transfer, user);
  if (repeat(t, code)) return;
  leave(t);
  if (code == CURLE_COULDNT_CONNECT) lpb_http_host_forget((t->via ? t->via : t->url)->host);
  lpb_http_transfer_end(t, code, t->failure);
  pump(t->client);
}

/* --- time --- */

static double seconds_since(uint64_t time) {
  return (double)(uv_hrtime() - time) / 1e9;
}

/* A request that does not say how long it waits for a place waits as long as places become free
 * at all. */
static double left_in_queue(const lpb_http_transfer *t) {
  if (t->queue_timeout >= 0) return t->queue_timeout - seconds_since(t->queued);
  const lpb_http_host *h = t->url->host;
  uint64_t moved = host_full(t->client, h) ? h->moved : t->client->moved;
  return QUEUE_S - seconds_since(moved > t->queued ? moved : t->queued);
}

/* What is kept back because nobody reads it, or not decoded or digested yet, does not stall. */
static double left_of_stall(lpb_http_transfer *t) {
  if (t->stall_timeout < 0) return FOR_EVER;
  curl_off_t sent = 0;
  uint64_t now = uv_now(t->http->polls.loop);
  curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
  bool works = t->stage == LPB_HTTP_DECODING || lpb_http_body_full(&t->body);
  if (sent != t->sent_bytes || works) t->heard = now;
  t->sent_bytes = sent;
  return t->stall_timeout - (double)(now - t->heard) / 1e3;
}

double lpb_http_client_left(lpb_http_transfer *t) {
  if (t->stage == LPB_HTTP_QUEUED) return left_in_queue(t);
  double whole = t->timeout < 0 ? FOR_EVER : t->timeout - t->spent - seconds_since(t->since);
  double stall = left_of_stall(t);
  t->stalled = stall <= 0;
  return stall < whole ? stall : whole;
}

/* --- from the beginning to the end --- */

void lpb_http_client_start(lpb_http_transfer *t) {
  lpb_http_client *c = t->client;
  t->stage = LPB_HTTP_QUEUED;
  c->queued++;
  lp_list_push(&c->waiting, &t->link);
  pump(c);
  if (t->stage != LPB_HTTP_QUEUED) return;
  t->queued = uv_hrtime();
  lpb_http_unread_collect(&c->unread, c->http->st);
}

void lpb_http_client_stop(lpb_http_transfer *t) {
  lpb_http_client *c = t->client;
  t->last = t->stage;
  lp_list_remove(&t->link);
  if (t->stage == LPB_HTTP_QUEUED) c->queued--;
  if (t->stage == LPB_HTTP_RUNNING) {
    lpb_http_multi_stop(c->multis[t->multi], t->easy);
    leave(t);
  } else if (t->stage == LPB_HTTP_RESOLVING || t->stage == LPB_HTTP_JOINING) {
    lp_timer_stop(&t->http->st->timers, &t->late);
    free_slot(t);
  }
  t->stage = LPB_HTTP_ENDED;
  pump(c);
}

void lpb_http_client_suspect(lpb_http_transfer *t) {
  if (t->last != LPB_HTTP_RUNNING || !t->user.shares) return;
  lpb_http_host_use *use = &t->url->host->uses[t->multi];
  lpb_http_multi *m = t->client->multis[t->multi];
  bool used = lpb_http_multi_retire(m, t->url->host, lpb_http_transfer_age(t) / 2);
  if (used && use->sharing > 0) use->stalled = true;
}

/* --- transfers --- */

int lpb_http_client_begin(lpb_http_client *c, lp_state *st) {
  if (c->http) return 0;
  lpb_http *http = lpb_http_of(st);
  if (!http) return LP_EMEMORY;
  c->http = http;
  lpb_http_host_open(&c->hosts, st, resolved);
  lp_list_push(&http->users, &c->user.link);
  return 0;
}

/* What has come cannot be used, so no more of it is wanted. */
static void broken(lpb_http_transfer *t) {
  int failure = t->failure;
  lpb_http_client_stop(t);
  lpb_http_transfer_end(t, CURLE_WRITE_ERROR, failure);
}

static lpb_http_transfer *new_transfer(lpb_http_client *c) {
  lpb_http_transfer *t = lpb_http_transfer_new(c->http);
  if (!t) return NULL;
  t->client = c;
  t->broken = broken;
  t->connected = connected;
  t->user.opening = opening;
  lp_list_push(&c->transfers, &t->all);
  return t;
}

lpb_http_transfer *lpb_http_client_take(lpb_http_client *c, lp_state *st) {
  if (c->closed || lpb_http_client_begin(c, st) < 0) return NULL;
  lp_list *link = c->idle.prev; /* the last one used is warm */
  if (link == &c->idle) return new_transfer(c);
  lp_list_remove(link);
  return lp_list_of(link, lpb_http_transfer, link);
}

void lpb_http_client_give(lpb_http_transfer *t) {
  if (!t) return;
  if (t->stage > LPB_HTTP_IDLE && t->stage < LPB_HTTP_ENDED) lpb_http_client_stop(t);
  t->wait = NULL;
  lpb_http_transfer_clear(t);
  t->stage = LPB_HTTP_IDLE;
  lp_list_push(&t->client->idle, &t->link);
}

/* --- the client --- */

static void close_user(lpb_http_user *user) {
  lpb_http_client_close(lp_list_of(user, lpb_http_client, user));
}

void lpb_http_client_open(lpb_http_client *c, int limit, int limit_per_host) {
  *c = (lpb_http_client){.limit = limit, .limit_per_host = limit_per_host};
  lp_list_init(&c->user.link);
  c->user.close = close_user;
  lp_list_init(&c->transfers);
  c->unread.transfers = &c->transfers;
  c->unread.queued = &c->queued;
  lp_list_init(&c->idle);
  lp_list_init(&c->waiting);
  lp_list_init(&c->joined);
  lp_list_init(&c->join.link);
  c->join.run = join_run;
}

/* Frees a transfer of a client that is closed. The stream or the task that holds it finds a
 * NULL. */
static void abandon(lpb_http_transfer *t) {
  if (t->stage > LPB_HTTP_IDLE && t->stage < LPB_HTTP_ENDED) lpb_http_client_stop(t);
  if (t->owner) *t->owner = NULL;
  if (t->wait) {
    t->wait->transfer = NULL;
    lp_op_finish(&t->wait->op, LP_ECLOSED);
  }
  lpb_http_transfer_free(t);
}

void lpb_http_client_close(lpb_http_client *c) {
  if (c->closed) return;
  c->closed = true;
  c->limit = 0; /* nothing queued may start */
  lpb_http_unread_close(&c->unread);
  lp_list_each (link, &c->transfers) abandon(lp_list_of(link, lpb_http_transfer, all));
  for (int i = 0; i < c->multi_count; i++) lpb_http_multi_close(c->multis[i]);
  lp_alloc_free(c->multis);
  lpb_http_host_close(&c->hosts);
  lp_list_remove(&c->user.link);
  lp_list_remove(&c->join.link);
  c->multis = NULL;
  c->multi_count = 0;
  c->http = NULL;
}
