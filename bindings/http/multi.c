/* bindings/http/multi.c: sockets and the timer of a curl multi handle on libuv.
 *
 * Invariant: a descriptor has a poll in the table exactly as long as it is open, for libuv
 * aborts on a closed one that is still polled. curl closes its connections through socket_close
 * below; other descriptors (the pipe to its resolver's thread) it only announces with
 * CURL_POLL_REMOVE, so their polls go at once. Layer: bindings. */
#include "bindings/http/multi.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/loop.h"

struct lpb_http_multi_poll {
  uv_poll_t handle;
  /* The multi handle whose transfer used the descriptor last. */
  lpb_http_multi *multi;
  /* Its place in multi->idle. */
  lp_list idle;
  curl_socket_t fd;
  /* The events that a transfer waits for; 0 when the descriptor is idle. */
  int wanted;
  /* The events that the handle is started for. */
  int armed;
  /* The handle is known to libuv. */
  bool inited;
  /* It is a connection: curl closes it through socket_close. */
  bool ours;
  /* It is connected to its server, so socket_close will be called. */
  bool connected;
  /* See lpb_http_multi_user. */
  const void *group;
  /* When something came last, as uv_now counts. */
  uint64_t heard;
  /* The connection has stalled, so it ends as soon as it is idle. */
  bool retired;
  /* Several transfers may share the connection: it is one of HTTP/2. */
  bool shared;
  /* Nothing may come while the descriptor is idle: it is a connection of HTTP/1, and its last
   * transfer has ended. */
  bool clean;
};

/* --- the table of descriptors --- */

static lpb_http_multi_poll *polls_find(const lpb_http_multi_polls *ps, curl_socket_t fd) {
  return (size_t)fd < ps->cap ? ps->by_fd[fd] : NULL;
}

static int polls_reserve(lpb_http_multi_polls *ps, size_t fd) {
  if (fd < ps->cap) return 0;
  size_t cap = ps->cap ? ps->cap : 64;
  while (cap <= fd) cap *= 2;
  lpb_http_multi_poll **by_fd = lp_alloc_resize(ps->by_fd, cap * sizeof *by_fd);
  if (!by_fd) return LP_EMEMORY;
  for (size_t i = ps->cap; i < cap; i++) by_fd[i] = NULL;
  ps->by_fd = by_fd;
  ps->cap = cap;
  return 0;
}

static lpb_http_multi_poll *polls_add(lpb_http_multi_polls *ps, curl_socket_t fd, bool ours) {
  if (polls_reserve(ps, (size_t)fd) < 0) return NULL;
  lpb_http_multi_poll *p = lp_alloc_new(sizeof *p);
  if (!p) return NULL;
  p->fd = fd;
  p->ours = ours;
  lp_list_init(&p->idle);
  return ps->by_fd[fd] = p;
}

lpb_http_multi_user *lpb_http_multi_user_of(CURL *easy) {
  char *private = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
  return (lpb_http_multi_user *)private;
}

static void poll_free(uv_handle_t *h) {
  lp_alloc_free(h->data);
}

static void polls_drop(lpb_http_multi_polls *ps, curl_socket_t fd) {
  lpb_http_multi_poll *p = polls_find(ps, fd);
  if (!p) return;
  ps->by_fd[fd] = NULL;
  lp_list_remove(&p->idle);
  if (p->inited)
    uv_close((uv_handle_t *)&p->handle, poll_free);
  else
    lp_alloc_free(p);
}

void lpb_http_multi_close_polls(lpb_http_multi_polls *ps) {
  for (size_t fd = 0; fd < ps->cap; fd++) polls_drop(ps, (curl_socket_t)fd);
  lp_alloc_free(ps->by_fd);
  *ps = (lpb_http_multi_polls){0};
}

/* --- events --- */

/* A transfer is in the handle no more. */
static void leave(lpb_http_multi *m) {
  if (--m->running == 0) uv_unref((uv_handle_t *)&m->timer);
}

static void drain(lpb_http_multi *m) {
  int left;
  for (CURLMsg *msg; (msg = curl_multi_info_read(m->curl, &left));) {
    if (msg->msg != CURLMSG_DONE) continue;
    CURL *easy = msg->easy_handle;
    CURLcode code = msg->data.result;
    lpb_http_multi_stop(m, easy);
    m->done(easy, code);
  }
}

static void act(lpb_http_multi *m, curl_socket_t fd, int events) {
  int running;
  lpb_http_flood_begin(&m->polls->flood);
  curl_multi_socket_action(m->curl, fd, events, &running);
  drain(m);
}

/* It would be ready for ever. */
static void poll_disarm(lpb_http_multi_poll *p) {
  uv_poll_stop(&p->handle);
  p->armed = 0;
}

/* Ends an idle connection: its server closed it, or something came that would be taken for the
 * answer to the next request. curl finds it closed, and drops it, before it would be used
 * again.
 */
static void poll_condemn(lpb_http_multi_poll *p) {
  char bytes[4096];
  poll_disarm(p);
  shutdown(p->fd, SHUT_RDWR);
  while (recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
}

/* Looks at the connections that have become idle since the last call, for the loop has not
 * polled them yet. One system call asks for many of them. */
static void condemn_unclean(lpb_http_multi *m) {
  enum { MOST = 64 };
  struct pollfd fds[MOST];
  lpb_http_multi_poll *idle[MOST];
  while (!lp_list_empty(&m->idle)) {
    nfds_t n = 0;
    for (lp_list *link; n < MOST && (link = lp_list_shift(&m->idle)); n++) {
      idle[n] = lp_list_of(link, lpb_http_multi_poll, idle);
      fds[n] = (struct pollfd){.fd = idle[n]->fd, .events = POLLIN};
    }
    if (poll(fds, n, 0) <= 0) continue;
    for (nfds_t i = 0; i < n; i++)
      if (fds[i].revents) poll_condemn(idle[i]);
  }
}

static void poll_ready(uv_poll_t *h, int status, int events);

static int poll_arm(lpb_http_multi_poll *p) {
  if (p->armed == p->wanted) return 0;
  p->armed = p->wanted;
  return uv_poll_start(&p->handle, p->wanted, poll_ready);
}

/* libuv has stopped the handle whose error it reports. What has come before the error is still
 * there, so curl reads it first; the error meets it when it reads on. The handle is armed again
 * when curl still wants the socket. */
static void poll_failed(lpb_http_multi_poll *p) {
  lpb_http_multi *m = p->multi;
  curl_socket_t fd = p->fd;
  p->armed = 0;
  if (!p->wanted) return;
  act(m, fd, p->wanted & UV_READABLE ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
  p = polls_find(m->polls, fd);
  if (p && p->wanted && p->multi == m) poll_arm(p);
}

static void poll_ready(uv_poll_t *h, int status, int events) {
  lpb_http_multi_poll *p = h->data;
  if (status >= 0 && p->wanted && lp_loop_io_over(p->multi->st)) return; /* it comes again */
  if (events & UV_READABLE) p->heard = uv_now(h->loop);
  if (status < 0)
    poll_failed(p);
  else if (p->wanted)
    act(p->multi, p->fd,
        (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
            (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
  else if (!p->clean)
    poll_disarm(p);
  else if (events & UV_READABLE)
    poll_condemn(p);
  else /* its answer came while it still waited to be connected */
    uv_poll_start(h, p->armed = UV_READABLE, poll_ready);
}

/* --- what curl calls --- */

static int poll_init(lpb_http_multi *m, lpb_http_multi_poll *p) {
  if (p->inited) return 0;
  int rc = uv_poll_init_socket(m->polls->loop, &p->handle, p->fd);
  if (rc < 0) return rc;
  p->handle.data = p;
  p->inited = true;
  return 0;
}

/* Tells, with one system call for each connection, whether the socket is connected. curl closes
 * one that never was without calling socket_close. */
static bool is_connected(lpb_http_multi_poll *p) {
  struct sockaddr_storage peer;
  socklen_t len = sizeof peer;
  if (!p->connected) p->connected = getpeername(p->fd, (struct sockaddr *)&peer, &len) == 0;
  return p->connected;
}

/* No transfer waits for the descriptor any more: `easy`, the last one, has ended or is paused.
 */
static void socket_idle(lpb_http_multi_polls *ps, lpb_http_multi_poll *p, CURL *easy) {
  if (!p->ours || !is_connected(p)) {
    polls_drop(ps, p->fd);
    return;
  }
  p->wanted = 0;
  if (!p->inited) return;
  uv_unref((uv_handle_t *)&p->handle);
  lpb_http_multi_user *u = lpb_http_multi_user_of(easy);
  if (!u) return; /* a handle of curl's own, with which it closes the connection */
  long version = 0;
  if (u->shares) curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
  if (u->shares) p->shared = p->shared || version == 0 || version >= CURL_HTTP_VERSION_2_0;
  p->clean = !p->shared && !u->paused;
  if (p->retired)
    poll_condemn(p);
  else if (p->clean)
    lp_list_push(&p->multi->idle, &p->idle);
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *multi, void *unused) {
  (void)unused;
  lpb_http_multi *m = multi;
  lpb_http_multi_poll *p = polls_find(m->polls, fd);
  if (what == CURL_POLL_REMOVE) {
    if (p) socket_idle(m->polls, p, easy);
    return 0;
  }
  if (!p) p = polls_add(m->polls, fd, false);
  if (!p || poll_init(m, p) < 0) return -1;
  p->multi = m;
  lpb_http_multi_user *u = lpb_http_multi_user_of(easy);
  lp_list_remove(&p->idle);
  p->wanted =
      (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
  if (u) { /* else curl closes a connection, for which the loop need not go on */
    u->announced = true;
    uv_ref((uv_handle_t *)&p->handle);
  } else {
    uv_unref((uv_handle_t *)&p->handle);
  }
  return poll_arm(p) < 0 ? -1 : 0;
}

int lpb_http_multi_judge(const lpb_http_multi_user *user, const struct sockaddr *address) {
  if (user->allow && !user->allow(address)) return LPB_HTTP_MULTI_REFUSED;
  return lp_allow_address(user->polls->st, "tcp", address) ? 0 : LPB_HTTP_MULTI_DENIED;
}

static curl_socket_t socket_open(void *of, curlsocktype purpose, struct curl_sockaddr *a) {
  (void)purpose;
  lpb_http_multi_user *u = of;
  u->error = lpb_http_multi_judge(u, &a->addr);
  if (u->error < 0) return CURL_SOCKET_BAD;
  int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
  u->error = fd < 0 ? -errno : 0;
  u->opened = true;
  if (fd < 0) return CURL_SOCKET_BAD;
  polls_drop(u->polls, fd); /* of a socket that curl gave up before it was polled */
  lpb_http_multi_poll *p = polls_add(u->polls, fd, true);
  if (!p) {
    close(fd);
    u->error = LP_EMEMORY;
    return CURL_SOCKET_BAD;
  }
  p->group = u->group;
  p->heard = uv_now(u->polls->loop);
  u->opening(u);
  return fd;
}

static int socket_close(void *polls, curl_socket_t fd) {
  polls_drop(polls, fd);
  return close(fd);
}

static void timed_out(uv_timer_t *t) {
  act(t->data, CURL_SOCKET_TIMEOUT, 0);
}

static int hand_over(lpb_http_multi *m, CURL *easy) {
  return curl_multi_add_handle(m->curl, easy) == CURLM_OK ? 0 : LP_EMEMORY;
}

/* Hands over the first of those that were begun. */
static void hand_over_next(lpb_http_multi *m) {
  lp_list *link = lp_list_shift(&m->begun);
  if (!link) return;
  CURL *easy = lp_list_of(link, lpb_http_multi_user, link)->easy;
  if (hand_over(m, easy) == 0) return;
  leave(m);
  m->done(easy, CURLE_OUT_OF_MEMORY);
}

/* Runs when tasks have run, so that what they began is sent in this turn of the loop. */
static void flush_run(lp_flush *f) {
  lpb_http_multi *m = lp_list_of(f, lpb_http_multi, flush);
  m->flushing = true;
  condemn_unclean(m);
  do {
    hand_over_next(m);
    act(m, CURL_SOCKET_TIMEOUT, 0);
  } while (!lp_list_empty(&m->begun) && !lp_loop_io_over(m->st));
  m->flushing = false;
  if (!lp_list_empty(&m->begun)) lp_loop_flush(m->st, &m->flush);
}

static int timer_changed(CURLM *curl, long ms, void *multi) {
  (void)curl;
  lpb_http_multi *m = multi;
  if (ms < 0) return uv_timer_stop(&m->timer);
  if (ms > 0 || m->flushing) return uv_timer_start(&m->timer, timed_out, (uint64_t)ms, 0);
  lp_loop_flush(m->st, &m->flush);
  return 0;
}

/* --- the handle --- */

static void multi_freed(uv_handle_t *h) {
  lp_alloc_free(h->data);
}

lpb_http_multi *lpb_http_multi_open(lp_state *st, lpb_http_multi_polls *polls, long keep,
                                    void (*done)(CURL *easy, CURLcode code)) {
  lpb_http_multi *m = lp_alloc_new(sizeof *m);
  if (!m) return NULL;
  m->curl = curl_multi_init();
  if (!m->curl) {
    lp_alloc_free(m);
    return NULL;
  }
  m->st = st;
  m->polls = polls;
  m->done = done;
  lp_list_init(&m->idle);
  lp_list_init(&m->begun);
  lp_list_init(&m->flush.link);
  m->flush.run = flush_run;
  uv_timer_init(polls->loop, &m->timer);
  m->timer.data = m;
  uv_unref((uv_handle_t *)&m->timer);
  curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, socket_changed);
  curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
  curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, timer_changed);
  curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
  curl_multi_setopt(m->curl, CURLMOPT_MAXCONNECTS, keep);
  return m;
}

void lpb_http_multi_prepare(lpb_http_multi_user *user, CURL *easy) {
  user->easy = easy;
  lp_list_init(&user->link);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, user);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, socket_open);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, user);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, socket_close);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, user->polls); /* outlives the user */
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT,
                   1L); /* to stop waits for no thread that resolves */
}

/* The local port of a connection; 0 when it has none. */
static int port_of(curl_socket_t fd) {
  struct sockaddr_storage a = {0};
  socklen_t len = sizeof a;
  if (getsockname(fd, (struct sockaddr *)&a, &len) < 0) return 0;
  if (a.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&a)->sin_port);
  return a.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&a)->sin6_port) : 0;
}

/* A transfer whose answer comes at once, on a kept connection, may be paused before curl has
 * said that it waits there. The rest of the answer must not count as bytes that nobody asked
 * for, so the connection is looked for by its port. */
void lpb_http_multi_pause(lpb_http_multi_user *user, CURL *easy) {
  user->paused = true;
  if (user->announced) return;
  long port = 0;
  curl_easy_getinfo(easy, CURLINFO_LOCAL_PORT, &port);
  for (size_t fd = 0; fd < user->polls->cap; fd++) {
    lpb_http_multi_poll *p = user->polls->by_fd[fd];
    if (!p || !p->clean || port_of(p->fd) != port) continue;
    p->clean = false;
    lp_list_remove(&p->idle);
  }
}

int lpb_http_multi_start(lpb_http_multi *m, CURL *easy) {
  lpb_http_multi_user *u = lpb_http_multi_user_of(easy);
  u->announced = false;
  if (m->st->stepping) {
    lp_list_push(&m->begun, &u->link);
    lp_loop_flush(m->st, &m->flush);
  } else if (hand_over(m, easy) < 0) {
    return LP_EMEMORY;
  }
  if (m->running++ == 0) uv_ref((uv_handle_t *)&m->timer);
  return 0;
}

void lpb_http_multi_stop(lpb_http_multi *m, CURL *easy) {
  lp_list_remove(&lpb_http_multi_user_of(easy)->link);
  curl_multi_remove_handle(m->curl, easy); /* no effect on one that was not handed over */
  leave(m);
}

bool lpb_http_multi_retire(lpb_http_multi *m, const void *group, double seconds) {
  bool used = false;
  for (size_t fd = 0; fd < m->polls->cap; fd++) {
    lpb_http_multi_poll *p = m->polls->by_fd[fd];
    if (!p || p->multi != m || p->group != group) continue;
    if ((double)(uv_now(m->polls->loop) - p->heard) < seconds * 1000) continue;
    if (p->wanted)
      p->retired = used = true;
    else if (p->shared)
      poll_condemn(p);
  }
  return used;
}

void lpb_http_multi_close(lpb_http_multi *m) {
  if (!m) return;
  curl_multi_cleanup(m->curl);
  lp_list_remove(&m->flush.link);
  uv_close((uv_handle_t *)&m->timer, multi_freed);
}
