/* pool/fleet.c: the forkserver's reports go to the worker that they are about. Layer: pool.
 * Process: main. */
#include "runtime/pool/fleet.h"

#include <signal.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"
#include "runtime/wire/wire.h"

static lp_fleet_worker *find(lp_forkserver *fs, uint32_t id) {
  lp_fleet *f = lp_forkserver_owner(fs);
  lp_list_each (link, &f->workers) {
    lp_fleet_worker *w = lp_list_of(link, lp_fleet_worker, link);
    if (w->id == id) return w;
  }
  return NULL;
}

static void on_started(lp_forkserver *fs, uint32_t id, pid_t pid) {
  lp_fleet_worker *w = find(fs, id);
  if (w) w->events->started(w, pid);
}

/* The kernel's counts are looked at only when a worker was killed as the kernel kills. */
static void on_ended(lp_forkserver *fs, uint32_t id, const lp_forkserver_end *end) {
  lp_fleet *f = lp_forkserver_owner(fs);
  lp_fleet_worker *w = find(fs, id);
  if (!w) return;
  bool killed = end->status == SIGKILL;
  w->events->exited(w, end, killed ? lp_oom_look(&f->oom) : LP_DEATH_PLAIN);
}

static void on_stopped(lp_forkserver *fs, uint32_t id, pid_t pid, bool stopped) {
  lp_fleet_worker *w = find(fs, id);
  (void)pid;
  if (w) w->events->frozen(w, stopped);
}

/* All workers have died with it. Those that start meanwhile in their place belong to a new one.
 */
static void on_gone(lp_forkserver *fs) {
  lp_fleet *f = lp_forkserver_owner(fs);
  f->forkserver = NULL;
  lp_forkserver_close(fs);
  const lp_forkserver_end end = {.status = SIGKILL};
  lp_list orphans;
  lp_list_init(&orphans);
  lp_list_join(&orphans, &f->workers);
  for (lp_list *link; (link = lp_list_shift(&orphans));) {
    lp_fleet_worker *w = lp_list_of(link, lp_fleet_worker, link);
    lp_list_push(&f->workers, link);
    w->events->exited(w, &end, LP_DEATH_ORPHAN);
  }
}

static const lp_forkserver_events events = {
    .started = on_started, .ended = on_ended, .stopped = on_stopped, .gone = on_gone};

static int open_forkserver(lp_fleet *f) {
  lp_oom_open(&f->oom);
  return lp_forkserver_open(&f->forkserver, f->st->loop, f->handle, f->program, &events, f);
}

int lp_fleet_spawn(lp_fleet *f, lp_fleet_worker *w, lp_spawn *spawn) {
  int rc = f->forkserver ? 0 : open_forkserver(f);
  spawn->id = w->id = ++f->spawns;
  if (rc == 0) rc = lp_forkserver_spawn(f->forkserver, spawn);
  if (rc == 0) lp_list_push(&f->workers, &w->link);
  return rc;
}

void lp_fleet_wake(lp_fleet *f) {
  if (f->forkserver) lp_forkserver_wake(f->forkserver);
}

void lp_fleet_kill(lp_fleet *f, const lp_fleet_worker *w, int signum) {
  if (f->forkserver) lp_forkserver_kill(f->forkserver, w->id, signum);
}

static void copy_proto(lua_State *L, lp_fleet *f, uint32_t number) {
  size_t len;
  lp_wire_proto(L, number);
  const char *bytes = lua_tolstring(L, -1, &len);
  if (number >= f->nprotos) {
    lp_buf *protos = lp_alloc_resize(f->protos, (number + 16) * sizeof *protos);
    if (!protos) lp_raise_code(L, LP_EMEMORY, "cannot send the function");
    memset(protos + f->nprotos, 0, (number + 16 - f->nprotos) * sizeof *protos);
    f->protos = protos;
    f->nprotos = number + 16;
  }
  if (lp_buf_append(&f->protos[number], bytes, len) < 0)
    lp_raise_code(L, LP_EMEMORY, "cannot send the function");
  lua_pop(L, 1);
}

void lp_fleet_learn(lua_State *L, lp_fleet *f, const uint32_t *numbers, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (numbers[i] >= f->nprotos || !f->protos[numbers[i]].len) copy_proto(L, f, numbers[i]);
}

static lp_fleet *of(lp_part *part) {
  return lp_list_of(part, lp_fleet, part);
}

static void stop_fleet(lp_part *part) {
  lp_list_each (link, &of(part)->pools) {
    lp_fleet_pool *p = lp_list_of(link, lp_fleet_pool, link);
    p->stop(p);
  }
}

static bool is_busy(const lp_part *part) {
  return !lp_list_empty(&lp_list_of(part, lp_fleet, part)->workers);
}

static void close_fleet(lp_part *part) {
  lp_fleet *f = of(part);
  lp_list_each (link, &f->pools) {
    lp_fleet_pool *p = lp_list_of(link, lp_fleet_pool, link);
    p->kill(p);
  }
  lp_forkserver_close(f->forkserver); /* ends every worker */
  f->forkserver = NULL;
  lp_list_each (link, &f->workers) {
    lp_fleet_worker *w = lp_list_of(link, lp_fleet_worker, link);
    w->events->dropped(w);
  }
}

static void free_fleet(lp_part *part) {
  lp_fleet *f = of(part);
  for (uint32_t i = 0; i < f->nprotos; i++) lp_buf_close(&f->protos[i]);
  lp_alloc_free(f->protos);
  lp_buf_close(&f->bytes);
  lp_buf_close(&f->numbers);
  lp_buf_close(&f->objects);
  lp_alloc_free(f);
}

static const lp_part_class class = {
    .stop = stop_fleet, .busy = is_busy, .close = close_fleet, .free = free_fleet};

int lp_fleet_open(lp_state *st, int handle, const char *program) {
  if (!program) program = "luapool";
  lp_fleet *f = lp_alloc_new(sizeof *f + strlen(program) + 1);
  if (!f) return LP_EMEMORY;
  strcpy(f->program, program);
  f->st = st;
  f->handle = handle;
  f->doubted = UINT64_MAX;
  lp_list_init(&f->pools);
  lp_list_init(&f->workers);
  lp_part_add(st, &f->part, &class);
  return 0;
}

lp_fleet *lp_fleet_find(const lp_state *st) {
  lp_part *part = lp_part_find(st, &class);
  return part ? of(part) : NULL;
}
