/* bindings/dns/channel.c: sockets and settings of c-ares. See channel.h. Layer: bindings. */
#include "bindings/dns/channel.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/write.h"

/* As resolv.conf(5) has them: each server is asked twice, for 5 s. */
enum { TIMEOUT_S = 5, TIMEOUT_MOST_S = 30, ATTEMPTS = 2, ATTEMPTS_MOST = 5 };

/* Holds the answers to some hundred look-ups, which may come at once. The system may give less.
 */
enum { RECEIVE_BUFFER = 1 << 20 };

static const char RESOLV[] = "/etc/resolv.conf", NSSWITCH[] = "/etc/nsswitch.conf";

/* --- sockets --- */

typedef struct socket_poll {
  lp_list link;
  uv_poll_t handle;
  ares_socket_t fd;
  lpb_dns_channel *channel;
} socket_poll;

static void poll_freed(uv_handle_t *h) {
  lp_alloc_free(h->data);
}

static void poll_close(socket_poll *p) {
  lp_list_remove(&p->link);
  uv_close((uv_handle_t *)&p->handle, poll_freed);
}

static socket_poll *poll_find(lpb_dns_channel *c, ares_socket_t fd) {
  lp_list_each (link, &c->polls) {
    socket_poll *p = lp_list_of(link, socket_poll, link);
    if (p->fd == fd) return p;
  }
  return NULL;
}

static socket_poll *poll_new(lpb_dns_channel *c, ares_socket_t fd) {
  socket_poll *p = lp_alloc_new(sizeof *p);
  if (!p) return NULL;
  if (uv_poll_init_socket(c->loop, &p->handle, fd) < 0) {
    lp_alloc_free(p);
    return NULL;
  }
  p->handle.data = p;
  p->fd = fd;
  p->channel = c;
  uv_unref((uv_handle_t *)&p->handle);
  lp_list_push(&c->polls, &p->link);
  return p;
}

/* What c-ares writes to a server that has hung up would raise a signal. */
static void process(ares_channel ares, ares_socket_t in, ares_socket_t out) {
  lp_write_hold hold = lp_write_begin();
  ares_process_fd(ares, in, out);
  lp_write_end(&hold);
}

static void poll_ready(uv_poll_t *h, int status, int events) {
  socket_poll *p = h->data;
  lpb_dns_channel *c = p->channel;
  bool in = status < 0 || events & UV_READABLE, out = status < 0 || events & UV_WRITABLE;
  process(c->ares, in ? p->fd : ARES_SOCKET_BAD, out ? p->fd : ARES_SOCKET_BAD);
  c->worked(c);
}

/* c-ares calls it when it wants other events of a socket, and, with none, before it closes the
 * socket. A query whose socket cannot be polled ends when its time is over. */
static void socket_changed(void *channel, ares_socket_t fd, int readable, int writable) {
  lpb_dns_channel *c = channel;
  socket_poll *p = poll_find(c, fd);
  int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (!events) {
    if (p) poll_close(p);
    return;
  }
  if (!p) p = poll_new(c, fd);
  if (p) uv_poll_start(&p->handle, events, poll_ready);
}

/* --- settings --- */

/* Calls `line` for each line of a file, without its end. */
static void each_line(const char *path, void (*line)(void *of, char *text), void *of) {
  char text[512];
  FILE *f = fopen(path, "re");
  if (!f) return;
  while (fgets(text, sizeof text, f)) {
    text[strcspn(text, "#\r\n")] = 0;
    line(of, text);
  }
  fclose(f);
}

typedef struct limits {
  long timeout, attempts;
} limits;

static void read_number(const char *word, const char *name, long most, long *to) {
  size_t len = strlen(name);
  if (strncmp(word, name, len) != 0 || !isdigit((unsigned char)word[len])) return;
  long n = strtol(word + len, NULL, 10);
  *to = n < 1 ? 1 : n > most ? most : n;
}

static void read_options(void *of, char *text) {
  limits *l = of;
  char *rest = text, *word = strtok_r(text, " \t", &rest);
  if (!word || strcmp(word, "options") != 0) return;
  while ((word = strtok_r(NULL, " \t", &rest))) {
    read_number(word, "timeout:", TIMEOUT_MOST_S, &l->timeout);
    read_number(word, "attempts:", ATTEMPTS_MOST, &l->attempts);
  }
}

static void read_sources(void *of, char *text) {
  lpb_dns_channel *c = of;
  char *rest = text, *word = strtok_r(text, " \t", &rest);
  if (!word || strcmp(word, "hosts:") != 0) return;
  while ((word = strtok_r(NULL, " \t", &rest)))
    if (*word != '[' && strcmp(word, "files") != 0 && strcmp(word, "dns") != 0) c->more = true;
}

static void stat_files(struct stat files[]) {
  const char *const paths[LPB_DNS_CHANNEL_FILES] = {RESOLV, NSSWITCH, "/etc/hosts"};
  memset(files, 0, LPB_DNS_CHANNEL_FILES * sizeof *files);
  for (int i = 0; i < LPB_DNS_CHANNEL_FILES; i++)
    if (stat(paths[i], &files[i]) < 0) memset(&files[i], 0, sizeof files[i]);
}

bool lpb_dns_channel_outdated(const lpb_dns_channel *c) {
  struct stat now[LPB_DNS_CHANNEL_FILES];
  stat_files(now);
  for (int i = 0; i < LPB_DNS_CHANNEL_FILES; i++) {
    const struct stat *a = &now[i], *b = &c->files[i];
    if (a->st_ino != b->st_ino || a->st_dev != b->st_dev || a->st_size != b->st_size ||
        a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec)
      return true;
  }
  return false;
}

/* --- the channel --- */

int lpb_dns_channel_open(lpb_dns_channel *c, uv_loop_t *loop,
                         void (*worked)(lpb_dns_channel *c)) {
  limits l = {TIMEOUT_S, ATTEMPTS};
  *c = (lpb_dns_channel){.loop = loop, .worked = worked};
  lp_list_init(&c->polls);
  stat_files(c->files);
  each_line(RESOLV, read_options, &l);
  each_line(NSSWITCH, read_sources, c);
  /* c-ares doubles the time with each attempt: all of them are to take what the file says. */
  struct ares_options options = {.timeout = (int)(l.timeout * 1000 * l.attempts) /
                                            ((1 << l.attempts) - 1),
                                 .tries = (int)l.attempts,
                                 .socket_receive_buffer_size = RECEIVE_BUFFER,
                                 .sock_state_cb = socket_changed,
                                 .sock_state_cb_data = c};
  int mask =
      ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
  mask |= ARES_OPT_QUERY_CACHE; /* of no size: the resolver remembers */
#endif
  return ares_init_options(&c->ares, &options, mask);
}

void lpb_dns_channel_close(lpb_dns_channel *c) {
  if (!c->loop) return;
  if (c->ares) ares_destroy(c->ares);
  c->ares = NULL;
  lp_list_each (link, &c->polls) poll_close(lp_list_of(link, socket_poll, link));
}

void lpb_dns_channel_tick(lpb_dns_channel *c) {
  if (c->ares) process(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

int64_t lpb_dns_channel_due(const lpb_dns_channel *c) {
  struct timeval tv;
  if (!c->ares || !ares_timeout(c->ares, NULL, &tv)) return -1;
  return (int64_t)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1;
}
