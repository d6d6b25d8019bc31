/* bindings/dns/resolver.c: look-ups, their answers, and who waits for them.
 *
 * Invariant: an entry that has not ended is LINED, in r->line, or ASKED, and then c-ares or
 * libuv calls back for it exactly once; what they bring is noted, and given to those who wait
 * when neither runs any more. A KNOWN entry is in r->known, and nobody waits for it. Layer:
 * bindings. */
#include "bindings/dns/resolver.h"

#include <string.h>

#include "bindings/dns/channel.h"
#include "bindings/dns/idn.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/part.h"

/* MOST answers are remembered. BURST look-ups leave at once; further ones leave as answers
 * come, because thousands at once would overrun the socket of many a DNS server. In each
 * WINDOW_MS the server is taken to have forgotten GIVEN_UP of them, so that names which it
 * never answers do not hold up others: behind two hundred, 75 ms. */
#ifdef LP_TINY
enum { MOST = 4, BURST = 2, GIVEN_UP = 1 };
#else
enum { MOST = 4096, BURST = 128, GIVEN_UP = 24 };
#endif

enum {
  BUCKETS = 1024,
  WINDOW_MS = 25,
  /* The files of the system are looked at so often, at most. */
  FILES_MS = 250,
  /* How long it is remembered that there is no such name. */
  MISSING_S = 5,
};

static const uint64_t SECOND = 1000000000ull;

typedef enum { LINED, ASKED, ANSWERED, KNOWN } stage;

typedef struct entry {
  /* Its place in its bucket. */
  lp_list link;
  /* Its place in the list of its stage; none when it is ASKED. */
  lp_list turn;
  /* The queries that wait. */
  lp_list waiting;
  struct lpb_dns_resolver *resolver;
  stage stage;
  lpb_dns_lookup lookup;
  char name[];
} entry;

typedef struct lpb_dns_resolver {
  lp_part part;
  lp_state *st;
  lpb_dns_channel channel;
  /* It is active while something is due, and keeps the loop alive while anybody waits. */
  uv_timer_t timer;
  lp_list buckets[BUCKETS];
  /* Entries by their stage. */
  lp_list line, answered, known;
  /* How many entries there are, in any stage. */
  int count;
  /* How many queries wait. */
  int waiting;
  /* How many look-ups have left and are neither answered nor given up. */
  int away;
  /* When some are given up, as uv_hrtime counts. */
  uint64_t window_ends;
  /* When the files of the system are looked at again, as uv_now counts. */
  uint64_t files_due;
  /* The answers are being given to those who wait. */
  bool delivering;
  bool closing;
} lpb_dns_resolver;

/* --- entries --- */

static size_t hash(const char *name, lpb_dns_lookup_kind kind) {
  size_t h = 5381 + (size_t)kind;
  for (; *name; name++) h = h * 33 ^ (unsigned char)*name;
  return (h ^ h >> 15) % BUCKETS;
}

static void entry_free(entry *e) {
  lp_list_remove(&e->link);
  lp_list_remove(&e->turn);
  e->resolver->count--;
  lpb_dns_lookup_close(&e->lookup);
  lp_alloc_free(e);
}

static entry *entry_find(lpb_dns_resolver *r, const char *name, lpb_dns_lookup_kind kind) {
  lp_list_each (link, &r->buckets[hash(name, kind)]) {
    entry *e = lp_list_of(link, entry, link);
    if (e->lookup.kind == kind && strcmp(e->name, name) == 0) return e;
  }
  return NULL;
}

static void set_line(entry *e) {
  e->stage = LINED;
  lp_list_push(&e->resolver->line, &e->turn);
}

/* A query that the channel gave up, because the files of the system have changed, goes to the
 * next channel. A failure of the servers is not remembered. */
static void ended(lpb_dns_lookup *l, int status) {
  entry *e = lp_list_of(l, entry, lookup);
  lpb_dns_resolver *r = e->resolver;
  if (r->away > 0) r->away--;
  if (status == UV_ECANCELED) {
    set_line(e);
    return;
  }
  if (status == UV_EAI_NONAME) l->answer.expires = uv_hrtime() + MISSING_S * SECOND;
  e->stage = ANSWERED;
  lp_list_push(&r->answered, &e->turn);
}

static entry *entry_new(lpb_dns_resolver *r, const char *name, lpb_dns_lookup_kind kind) {
  if (r->count >= MOST && !lp_list_empty(&r->known))
    entry_free(lp_list_of(r->known.next, entry, turn)); /* the one answered first */
  entry *e = lp_alloc_new(sizeof *e + strlen(name) + 1);
  if (!e) return NULL;
  e->lookup.channel = &r->channel;
  e->lookup.kind = kind;
  e->lookup.name = strcpy(e->name, name);
  e->lookup.ended = ended;
  e->resolver = r;
  lp_list_init(&e->turn);
  lp_list_init(&e->waiting);
  lp_list_push(&r->buckets[hash(name, kind)], &e->link);
  r->count++;
  return e;
}

/* --- turns --- */

static void leave(entry *e) {
  lpb_dns_resolver *r = e->resolver;
  lp_list_remove(&e->turn);
  e->stage = ASKED;
  r->away++;
  lpb_dns_lookup_start(&e->lookup);
}

static void arm(lpb_dns_resolver *r);

static void give_up(lpb_dns_resolver *r) {
  uint64_t now = uv_hrtime();
  if (now < r->window_ends) return;
  r->window_ends = now + WINDOW_MS * (SECOND / 1000);
  r->away = r->away > GIVEN_UP ? r->away - GIVEN_UP : 0;
}

/* Lets the look-ups in line leave, as many as may. One that nobody waits for is given up. */
static void pump(lpb_dns_resolver *r) {
  give_up(r);
  while (r->away < BURST && !lp_list_empty(&r->line)) {
    entry *e = lp_list_of(r->line.next, entry, turn);
    if (lp_list_empty(&e->waiting))
      entry_free(e);
    else
      leave(e);
  }
}

/* Gives an answer to those who wait, and to those who ask again meanwhile. */
static void deliver(entry *e) {
  for (lp_list *link; (link = lp_list_shift(&e->waiting));) {
    lpb_dns_resolver_query *q = lp_list_of(link, lpb_dns_resolver_query, link);
    q->resolver = NULL;
    e->resolver->waiting--;
    q->done(q, &e->lookup.answer);
  }
  e->stage = KNOWN;
  lp_list_push(&e->resolver->known, &e->turn);
}

/* Runs when a look-up may have ended, and never inside c-ares. */
static void turn(lpb_dns_resolver *r) {
  if (r->delivering || r->closing) return;
  r->delivering = true;
  do {
    for (lp_list *link; (link = lp_list_shift(&r->answered));)
      deliver(lp_list_of(link, entry, turn));
    pump(r);
  } while (!lp_list_empty(&r->answered));
  r->delivering = false;
  arm(r);
}

static void worked(lpb_dns_channel *c) {
  turn(lp_list_of(c, lpb_dns_resolver, channel));
}

static void timed_out(uv_timer_t *t) {
  lpb_dns_resolver *r = t->data;
  lpb_dns_channel_tick(&r->channel);
  turn(r);
}

static void arm(lpb_dns_resolver *r) {
  int64_t due = lpb_dns_channel_due(&r->channel);
  if (!lp_list_empty(&r->line) && (due < 0 || due > WINDOW_MS)) due = WINDOW_MS;
  if (!lp_list_empty(&r->answered)) due = 0;
  if (due < 0)
    uv_timer_stop(&r->timer);
  else
    uv_timer_start(&r->timer, timed_out, (uint64_t)due, 0);
  if (r->waiting > 0)
    uv_ref((uv_handle_t *)&r->timer);
  else
    uv_unref((uv_handle_t *)&r->timer);
}

/* --- the resolver --- */

static void resolver_close(lp_part *part) {
  lpb_dns_resolver *r = lp_list_of(part, lpb_dns_resolver, part);
  r->closing = true;
  lpb_dns_channel_close(&r->channel);
  for (int i = 0; i < BUCKETS; i++) {
    lp_list_each (link, &r->buckets[i]) {
      entry *e = lp_list_of(link, entry, link);
      for (lp_list *q; (q = lp_list_shift(&e->waiting));)
        lp_list_of(q, lpb_dns_resolver_query, link)->resolver = NULL;
      entry_free(e);
    }
  }
  uv_close((uv_handle_t *)&r->timer, NULL);
}

static void resolver_free(lp_part *part) {
  lp_part_remove(part);
  lp_alloc_free(lp_list_of(part, lpb_dns_resolver, part));
}

static const lp_part_class resolver_class = {.close = resolver_close, .free = resolver_free};

static lpb_dns_resolver *resolver_of(lp_state *st) {
  lp_part *part = lp_part_find(st, &resolver_class);
  if (part) return lp_list_of(part, lpb_dns_resolver, part);
  lpb_dns_resolver *r = lp_alloc_new(sizeof *r);
  if (!r) return NULL;
  r->st = st;
  for (int i = 0; i < BUCKETS; i++) lp_list_init(&r->buckets[i]);
  lp_list_init(&r->line);
  lp_list_init(&r->answered);
  lp_list_init(&r->known);
  uv_timer_init(st->loop, &r->timer);
  r->timer.data = r;
  lpb_dns_channel_open(&r->channel, st->loop, worked);
  lp_part_add(st, &r->part, &resolver_class);
  return r;
}

/* Makes a new channel, and forgets all answers, when the files of the system have changed. */
static void look_at_files(lpb_dns_resolver *r) {
  uint64_t now = uv_now(r->st->loop);
  if (r->delivering || now < r->files_due) return;
  r->files_due = now + FILES_MS;
  if (r->channel.ares && !lpb_dns_channel_outdated(&r->channel)) return;
  lpb_dns_channel_close(&r->channel);
  lpb_dns_channel_open(&r->channel, r->st->loop, worked);
  for (lp_list *link; (link = lp_list_shift(&r->known));)
    entry_free(lp_list_of(link, entry, turn));
}

/* --- asking --- */

static entry *find_or_make(lpb_dns_resolver *r, const char *name, lpb_dns_lookup_kind kind) {
  entry *e = entry_find(r, name, kind);
  if (!e) {
    e = entry_new(r, name, kind);
    if (!e) return NULL;
    if (lpb_dns_lookup_is_address(&e->lookup)) {
      deliver(e);
    } else {
      set_line(e);
    }
  } else if (e->stage == KNOWN && uv_hrtime() >= e->lookup.answer.expires) {
    lp_list_remove(&e->turn);
    set_line(e);
  }
  return e;
}

static void wait_for(entry *e, lpb_dns_resolver_query *q) {
  q->resolver = e->resolver;
  q->resolver->waiting++;
  lp_list_push(&e->waiting, &q->link);
}

static const lpb_dns_answer no_memory = {.status = UV_ENOMEM},
                            no_name = {.status = UV_EAI_NONAME};

static const lpb_dns_answer *ask(lpb_dns_resolver *r, lpb_dns_resolver_query *q,
                                 const char *name, lpb_dns_lookup_kind kind) {
  look_at_files(r);
  entry *e = find_or_make(r, name, kind);
  if (!e) return &no_memory;
  if (e->stage == KNOWN) return &e->lookup.answer;
  wait_for(e, q);
  if (!r->delivering) {
    pump(r);
    arm(r);
  }
  if (e->stage != ANSWERED) return NULL;
  lpb_dns_resolver_stop(q); /* answered out of /etc/hosts */
  return &e->lookup.answer;
}

const lpb_dns_answer *lpb_dns_resolver_ask(lp_state *st, lpb_dns_resolver_query *q,
                                           const char *name, lpb_dns_lookup_kind kind) {
  lpb_dns_resolver *r = resolver_of(st);
  if (!r || r->closing) return &no_memory;
  if (!lpb_dns_idn_needed(name)) return ask(r, q, name, kind);
  lp_buf ascii = {0};
  int rc = lpb_dns_idn_encode(name, &ascii);
  const lpb_dns_answer *answer = rc == LP_EMEMORY ? &no_memory : &no_name;
  if (rc == 0) answer = ask(r, q, ascii.data, kind);
  lp_buf_close(&ascii);
  return answer;
}

/* When nobody waits any more, all look-ups are given up and their sockets closed. */
void lpb_dns_resolver_stop(lpb_dns_resolver_query *q) {
  lpb_dns_resolver *r = q->resolver;
  if (!r) return;
  q->resolver = NULL;
  lp_list_remove(&q->link);
  if (--r->waiting > 0 || r->delivering) return;
  if (r->channel.ares) ares_cancel(r->channel.ares);
  lp_list_each (turn, &r->line) entry_free(lp_list_of(turn, entry, turn));
  arm(r);
}
