/* bindings/http/check.h: the digest of a file that grows.
 *
 * A thread of libuv's pool reads what has been written and makes the digest of it, so that the
 * loop goes on receiving meanwhile. What was there before is read in the same way. Layer:
 * bindings. Owner: a file; while a thread works, the struct outlives its owner. */
#ifndef LPB_HTTP_CHECK_H
#define LPB_HTTP_CHECK_H

#include "runtime/loop/state.h"

typedef struct lpb_http_check lpb_http_check;

/* Begins the digest that is wanted, as "sha256:0123...". `flush` runs when the result is there
 * after lpb_http_check_end has returned 1. Returns 0 or a negative code. */
int lpb_http_check_open(lpb_http_check **c, const char *wanted, lp_state *st, lp_flush *flush);

/* Tells the check that the file has so many bytes now. */
void lpb_http_check_follow(lpb_http_check *c, int fd, long long size);

/* Tells the check that the file is complete. Returns 0, and whether the digest is the one that
 * is wanted; 1 when that is not known yet; or a negative code. It may be asked again. */
int lpb_http_check_end(lpb_http_check *c, int fd, long long size, bool *fits);

/* Gives everything back, now or when the thread has stopped. NULL is fine. */
void lpb_http_check_close(lpb_http_check *c);

#endif
