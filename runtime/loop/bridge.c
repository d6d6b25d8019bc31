/* loop/bridge.c: the descriptor of one loop polled in another. Layer: loop. */
#include "runtime/loop/bridge.h"

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/mailbox.h"
#include "runtime/loop/state.h"
#include "runtime/loop/step.h"

struct lp_bridge {
  lp_state *st;
  /* It turns the runtime's loop before the host's polls. */
  uv_prepare_t prepare;
  /* It wakes the host's loop when the other has IO. It is referenced while that is alive. */
  uv_poll_t poll;
  /* It wakes the host's loop for the timers of the other. */
  uv_timer_t timer;
  /* It is active while tasks are ready, so that the host's poll does not block. */
  uv_idle_t spin;
  /* How many of these are not closed. */
  int handles;
};

static void on_spin(uv_idle_t *handle) {
  (void)handle;
}

void lp_bridge_spin(lp_bridge *b) {
  uv_idle_start(&b->spin, on_spin);
}

static void on_timer(uv_timer_t *handle) {
  (void)handle;
}

static void set_timer(lp_bridge *b) {
  int64_t us = lp_step_timeout_us(b->st);
  if (us == 0)
    uv_idle_start(&b->spin, on_spin);
  else
    uv_idle_stop(&b->spin);
  if (us > 0)
    uv_timer_start(&b->timer, on_timer, (uint64_t)(us + 999) / 1000, 0);
  else
    uv_timer_stop(&b->timer);
}

/* The host may turn its loop in a callback of the runtime: then there is nothing to do. */
static void turn(lp_bridge *b) {
  lp_state *st = b->st;
  if (st->inside) return;
  st->inside++;
  lp_loop_poll(st);
  st->inside--;
  set_timer(b);
  if (uv_loop_alive(st->loop))
    uv_ref((uv_handle_t *)&b->poll);
  else
    uv_unref((uv_handle_t *)&b->poll);
}

/* What tasks and mails have done, as a number that grows. */
static uint64_t progress(const lp_state *st) {
  return st->resumes + lp_mailbox_ran(st->mailbox);
}

/* A host that turns its loop once is not to wait for what has happened already. */
static void on_prepare(uv_prepare_t *handle) {
  lp_bridge *b = handle->data;
  uint64_t before = progress(b->st);
  turn(b);
  if (progress(b->st) != before) uv_idle_start(&b->spin, on_spin);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  (void)status, (void)events;
  turn(handle->data);
}

static void on_closed(uv_handle_t *handle) {
  lp_bridge *b = handle->data;
  if (--b->handles == 0) lp_alloc_free(b);
}

int lp_bridge_open(lp_bridge **out, lp_state *st, uv_loop_t *host) {
  lp_bridge *b = lp_alloc_new(sizeof *b);
  if (!b) return LP_EMEMORY;
  int rc = uv_poll_init(host, &b->poll, uv_backend_fd(st->loop));
  if (rc < 0) {
    lp_alloc_free(b);
    return rc;
  }
  b->st = st;
  b->handles = 4;
  b->prepare.data = b->poll.data = b->timer.data = b->spin.data = b;
  uv_prepare_init(host, &b->prepare); /* these three never fail */
  uv_timer_init(host, &b->timer);
  uv_idle_init(host, &b->spin);
  uv_prepare_start(&b->prepare, on_prepare);
  uv_poll_start(&b->poll, UV_READABLE, on_poll);
  uv_unref((uv_handle_t *)&b->prepare);
  uv_unref((uv_handle_t *)&b->timer);
  *out = b;
  return 0;
}

void lp_bridge_close(lp_bridge *b) {
  if (!b) return;
  uv_close((uv_handle_t *)&b->prepare, on_closed);
  uv_close((uv_handle_t *)&b->poll, on_closed);
  uv_close((uv_handle_t *)&b->timer, on_closed);
  uv_close((uv_handle_t *)&b->spin, on_closed);
}
