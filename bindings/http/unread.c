/* bindings/http/unread.c: streams that nobody reads. See unread.h. Layer: bindings. */
#include "bindings/http/unread.h"

#include "runtime/loop/loop.h"

/* A collection takes so much of the time at most that transfers are in a queue. */
static const double SHARE = 0.05;
static const double FIRST = 0.05, LAST = 5;

int lpb_http_unread_count(const lpb_http_client *c) {
  int n = 0;
  lp_list_each (link, &c->transfers) {
    const lpb_http_transfer *t = lp_list_of(link, lpb_http_transfer, all);
    if (t->owner && !t->wait && t->stage == LPB_HTTP_RUNNING) n++;
  }
  return n;
}

/* What makes no garbage is not collected by itself. The collector runs while others wait for a
 * place: soon at first, then less and less often. */
static void collect(lp_timer *timer) {
  lpb_http_client *c = lp_list_of(timer, lpb_http_client, collector);
  if (c->queued == 0) {
    c->collects_after = 0;
    return;
  }
  double took = 0;
  if (lpb_http_unread_count(c) > 0) {
    double began = lp_loop_now(c->http->st);
    lp_collect_soon(c->http->st);
    took = lp_loop_now(c->http->st) - began;
  }
  if (c->closed) return;
  c->collects_after = c->collects_after * 2;
  if (c->collects_after > LAST) c->collects_after = LAST;
  if (c->collects_after < took / SHARE) c->collects_after = took / SHARE;
  lpb_http_unread_collect(c);
}

void lpb_http_unread_collect(lpb_http_client *c) {
  if (c->collector.place) return;
  if (c->collects_after == 0) c->collects_after = FIRST;
  c->collector.fire = collect;
  lp_loop_after(c->http->st, &c->collector, c->collects_after);
}
