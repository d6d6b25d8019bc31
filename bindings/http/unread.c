/* bindings/http/unread.c: streams that nobody reads. See unread.h. Layer: bindings. */
#include "bindings/http/unread.h"

#include "bindings/http/transfer.h"
#include "runtime/loop/collect.h"
#include "runtime/loop/loop.h"

/* A collection takes so much of the time at most that transfers are in a queue. */
static const double SHARE = 0.05;
static const double FIRST = 0.05, LAST = 5;

int lpb_http_unread_count(const lp_list *transfers) {
  int n = 0;
  lp_list_each (link, transfers) {
    const lpb_http_transfer *t = lp_list_of(link, lpb_http_transfer, all);
    if (t->owner && !t->wait && t->stage == LPB_HTTP_RUNNING) n++;
  }
  return n;
}

/* What makes no garbage is not collected by itself. The collector runs while others wait for a
 * place: soon at first, then less and less often. A finalizer may close the client. */
static void collect(lp_timer *timer) {
  lpb_http_unread *u = lp_list_of(timer, lpb_http_unread, timer);
  lp_state *st = u->st;
  if (*u->queued == 0) {
    u->after = 0;
    return;
  }
  double took = 0;
  if (lpb_http_unread_count(u->transfers) > 0) {
    double began = lp_loop_now(st);
    lp_collect_soon(st);
    took = lp_loop_now(st) - began;
  }
  if (!u->st) return;
  u->after = u->after * 2;
  if (u->after > LAST) u->after = LAST;
  if (u->after < took / SHARE) u->after = took / SHARE;
  lpb_http_unread_collect(u, st);
}

void lpb_http_unread_collect(lpb_http_unread *u, lp_state *st) {
  if (u->timer.place) return;
  u->st = st;
  if (u->after == 0) u->after = FIRST;
  u->timer.fire = collect;
  lp_loop_after(st, &u->timer, u->after);
}

void lpb_http_unread_close(lpb_http_unread *u) {
  if (u->st) lp_timer_stop(&u->st->timers, &u->timer);
  u->st = NULL;
}
