/* bindings/http/check.c: the digest of a file that grows. See check.h.
 *
 * Invariant: while `working`, `seen`, `rc`, `digest` and `bytes` are the thread's. Layer:
 * bindings. */
#include "bindings/http/check.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "bindings/digest/digest.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/libuv.h"
#include "runtime/loop/loop.h"

#ifdef LP_TINY
enum { STEP = 64, REST = 16, PIECE = 16 };
#else
enum {
  STEP = 1 << 20,   /* bytes that are worth a turn in a thread */
  REST = 64 * 1024, /* bytes at the end that are not */
  PIECE = 64 * 1024,
};
#endif

struct lpb_http_check {
  uv_work_t job;
  lp_state *st;
  lp_flush *flush;
  lpb_digest digest;
  /* The digest that is wanted, in small letters. */
  char wanted[LPB_DIGEST_TEXT];
  /* The file, or -1: a descriptor of its own, because the thread may outlive the owner's. */
  int fd;
  /* How many bytes the digest has seen. */
  long long seen;
  /* How many it is to see in this turn. */
  long long until;
  /* 0, or why it failed. */
  int rc;
  bool working;
  /* The owner waits for the result. */
  bool awaited;
  /* There is no owner any more. */
  atomic_bool closed;
  char bytes[PIECE];
};

int lpb_http_check_open(lpb_http_check **out, const char *wanted, lp_state *st,
                        lp_flush *flush) {
  char name[16];
  const char *colon = strchr(wanted, ':'), *hex = colon ? colon + 1 : "";
  size_t len = colon ? (size_t)(colon - wanted) : 0;
  if (len == 0 || len >= sizeof name || strlen(hex) >= LPB_DIGEST_TEXT) return -EINVAL;
  memcpy(name, wanted, len);
  name[len] = 0;
  lpb_http_check *c = lp_alloc_new(sizeof *c);
  if (!c) return LP_EMEMORY;
  c->fd = -1;
  c->st = st;
  c->flush = flush;
  for (size_t i = 0; hex[i]; i++) c->wanted[i] = (char)tolower((unsigned char)hex[i]);
  int rc = lpb_digest_open(&c->digest, name);
  if (rc < 0)
    lp_alloc_free(c);
  else
    *out = c;
  return rc;
}

static void destroy(lpb_http_check *c) {
  if (c->fd >= 0) close(c->fd);
  lpb_digest_close(&c->digest);
  lp_alloc_free(c);
}

/* Lets the digest see the file up to `until`. */
static void read_on(lpb_http_check *c) {
  while (c->rc == 0 && c->seen < c->until && !atomic_load(&c->closed)) {
    long long left = c->until - c->seen;
    ssize_t n = pread(c->fd, c->bytes, left < PIECE ? (size_t)left : PIECE, c->seen);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0)
      c->rc = lpb_digest_update(&c->digest, c->bytes, (size_t)n);
    else
      c->rc = n < 0 ? -errno : -EIO;
    if (n > 0) c->seen += n;
  }
}

/* In a thread. */
static void run(uv_work_t *job) {
  read_on(lp_list_of(job, lpb_http_check, job));
}

static void ran(uv_work_t *job, int status) {
  lpb_http_check *c = lp_list_of(job, lpb_http_check, job);
  c->working = false;
  if (status < 0 && c->rc == 0) c->rc = status;
  if (atomic_load(&c->closed)) {
    destroy(c);
    return;
  }
  if (c->awaited) lp_loop_flush(c->st, c->flush);
  c->awaited = false;
}

static int open_own(lpb_http_check *c, int fd) {
  if (c->fd < 0) c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return c->fd < 0 ? -errno : 0;
}

static void start(lpb_http_check *c, int fd, long long size) {
  c->until = size;
  c->rc = open_own(c, fd);
  if (c->rc == 0) c->rc = lp_libuv_queue(c->st->loop, &c->job, run, ran);
  c->working = c->rc == 0;
}

void lpb_http_check_follow(lpb_http_check *c, int fd, long long size) {
  if (!c->working && c->rc == 0 && size - c->seen >= STEP) start(c, fd, size);
}

int lpb_http_check_end(lpb_http_check *c, int fd, long long size, bool *fits) {
  char text[LPB_DIGEST_TEXT];
  if (!c->working && c->rc == 0 && size - c->seen > REST) start(c, fd, size);
  c->awaited = c->working;
  if (c->working) return 1;
  if (c->rc == 0) c->rc = open_own(c, fd);
  c->until = size;
  read_on(c);
  int rc = c->rc < 0 ? c->rc : lpb_digest_hex(&c->digest, text);
  *fits = rc == 0 && strcmp(text, c->wanted) == 0;
  return rc;
}

void lpb_http_check_close(lpb_http_check *c) {
  if (!c) return;
  if (!c->working) {
    destroy(c);
    return;
  }
  atomic_store(&c->closed, true);
  uv_cancel((uv_req_t *)&c->job); /* when no thread has begun it, none will */
}
