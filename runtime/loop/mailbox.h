/* loop/mailbox.h: messages from any thread to the thread that holds a runtime.
 *
 * Threads post mails; the loop of the runtime runs them in their order, all that have come
 * with one wake-up. The mailbox is counted, because threads may still hold it when the runtime
 * has been closed: then lp_mailbox_post refuses. Layer: loop. Owner: lp_state and whoever holds
 * it. */
#ifndef LP_LOOP_MAILBOX_H
#define LP_LOOP_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "runtime/base/list.h"

/* Whoever posts embeds it in its own struct, which stays where it is until `run` is called. */
typedef struct lp_mail {
  /* It belongs to the mailbox from lp_mailbox_post until `run` is called. */
  lp_list link;
  /* It is called once, in the thread that holds the runtime; it may free the mail. */
  void (*run)(struct lp_mail *m);
} lp_mail;

typedef struct lp_mailbox lp_mailbox;

/* Makes a mailbox on a loop, with one holder. It does not keep the loop alive. Returns 0,
 * LP_EMEMORY or a libuv error. */
int lp_mailbox_open(lp_mailbox **box, uv_loop_t *loop);

/* Runs what has been posted, refuses what comes later, and begins to close the handle. The
 * caller's hold ends with it. NULL is fine. */
void lp_mailbox_close(lp_mailbox *box);

/* Posts a mail from any thread. Returns false when the mailbox is closed: then the mail is not
 * run and stays the caller's. */
bool lp_mailbox_post(lp_mailbox *box, lp_mail *m);

/* Runs what has been posted, in the thread that holds the runtime, as the loop would. Returns
 * whether there was anything. */
bool lp_mailbox_run(lp_mailbox *box);

/* How many mails have been run. */
uint64_t lp_mailbox_ran(const lp_mailbox *box);

/* Makes the loop turn once. Also from a signal handler; only while the mailbox is open. */
void lp_mailbox_wake(lp_mailbox *box);

/* Somebody waits for a mail, so the loop stays alive until lp_mailbox_done was called as often.
 * Only in the thread that holds the runtime. */
void lp_mailbox_expect(lp_mailbox *box);
void lp_mailbox_done(lp_mailbox *box);

/* How many wait for a mail. */
unsigned lp_mailbox_expected(const lp_mailbox *box);

/* Adds a holder; takes one away, and frees the mailbox with the last. From any thread. */
void lp_mailbox_hold(lp_mailbox *box);
void lp_mailbox_release(lp_mailbox *box);

#endif
