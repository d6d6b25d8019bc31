/* loop/mailbox.c: a list under a lock, and a handle of libuv that wakes the loop. The handle is
 * a holder of the mailbox until libuv has closed it. Layer: loop. */
#include "runtime/loop/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

struct lp_mailbox {
  uv_async_t wake;
  pthread_mutex_t lock;
  /* What is posted and has not been run, under the lock. */
  lp_list mails;
  /* It refuses mails; under the lock. */
  bool closed;
  /* How many wait for a mail. */
  unsigned expected;
  /* How many have been run. */
  uint64_t ran;
  atomic_uint holders;
};

/* Takes all mails aside, then runs them: each may post others. */
bool lp_mailbox_run(lp_mailbox *box) {
  lp_list posted;
  lp_list_init(&posted);
  pthread_mutex_lock(&box->lock);
  lp_list_join(&posted, &box->mails);
  pthread_mutex_unlock(&box->lock);
  bool any = !lp_list_empty(&posted);
  for (lp_list *link; (link = lp_list_shift(&posted));) {
    lp_mail *m = lp_list_of(link, lp_mail, link);
    box->ran++;
    m->run(m);
  }
  return any;
}

static void on_wake(uv_async_t *handle) {
  lp_mailbox_run(handle->data);
}

int lp_mailbox_open(lp_mailbox **out, uv_loop_t *loop) {
  lp_mailbox *box = lp_alloc_new(sizeof *box);
  if (!box) return LP_EMEMORY;
  int rc = uv_async_init(loop, &box->wake, on_wake);
  if (rc < 0) {
    lp_alloc_free(box);
    return rc;
  }
  box->wake.data = box;
  uv_unref((uv_handle_t *)&box->wake);
  pthread_mutex_init(&box->lock, NULL);
  lp_list_init(&box->mails);
  atomic_init(&box->holders, 2);
  *out = box;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  lp_mailbox_release(handle->data);
}

void lp_mailbox_close(lp_mailbox *box) {
  if (!box) return;
  pthread_mutex_lock(&box->lock);
  box->closed = true;
  pthread_mutex_unlock(&box->lock);
  lp_mailbox_run(box);
  uv_close((uv_handle_t *)&box->wake, on_closed);
  lp_mailbox_release(box);
}

/* The handle is woken under the lock, so it cannot be closed meanwhile. */
bool lp_mailbox_post(lp_mailbox *box, lp_mail *m) {
  pthread_mutex_lock(&box->lock);
  bool open = !box->closed, first = lp_list_empty(&box->mails);
  if (open) {
    lp_list_push(&box->mails, &m->link);
    if (first) uv_async_send(&box->wake);
  }
  pthread_mutex_unlock(&box->lock);
  return open;
}

uint64_t lp_mailbox_ran(const lp_mailbox *box) {
  return box->ran;
}

void lp_mailbox_wake(lp_mailbox *box) {
  uv_async_send(&box->wake);
}

void lp_mailbox_expect(lp_mailbox *box) {
  if (box->expected++ == 0) uv_ref((uv_handle_t *)&box->wake);
}

void lp_mailbox_done(lp_mailbox *box) {
  if (--box->expected == 0) uv_unref((uv_handle_t *)&box->wake);
}

unsigned lp_mailbox_expected(const lp_mailbox *box) {
  return box->expected;
}

void lp_mailbox_hold(lp_mailbox *box) {
  atomic_fetch_add(&box->holders, 1);
}

void lp_mailbox_release(lp_mailbox *box) {
  if (atomic_fetch_sub(&box->holders, 1) > 1) return;
  pthread_mutex_destroy(&box->lock);
  lp_alloc_free(box);
}
