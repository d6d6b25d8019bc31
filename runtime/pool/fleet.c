/* pool/fleet.c: the forkserver's reports go to the slot they are about. Layer: pool. Process:
 * main. */
#include "runtime/pool/fleet.h"

#include <signal.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/state.h"
#include "runtime/pool/pool.h"
#include "runtime/pool/protocol.h"
#include "runtime/pool/slot.h"
#include "runtime/wire/wire.h"

static lp_slot *find(lp_forkserver *fs, uint32_t id) {
  lp_fleet *f = lp_forkserver_owner(fs);
  lp_list_each (link, &f->slots) {
    lp_slot *slot = lp_list_of(link, lp_slot, all);
    if (slot->spawn_id == id) return slot;
  }
  return NULL;
}

static void on_started(lp_forkserver *fs, uint32_t id, pid_t pid) {
  lp_slot *slot = find(fs, id);
  if (slot) lp_slot_started(slot, pid);
}

/* The kernel's counts are looked at only when a worker was killed as the kernel kills. */
static void on_ended(lp_forkserver *fs, uint32_t id, const lp_forkserver_end *end) {
  lp_fleet *f = lp_forkserver_owner(fs);
  lp_slot *slot = find(fs, id);
  if (!slot) return;
  bool killed = end->status == SIGKILL;
  lp_slot_exited(slot, end, killed ? lp_oom_look(&f->oom) : LP_DEATH_PLAIN);
}

static void on_stopped(lp_forkserver *fs, uint32_t id, pid_t pid, bool stopped) {
  lp_slot *slot = find(fs, id);
  (void)pid;
  if (slot) lp_slot_frozen(slot, stopped);
}

static void on_gone(lp_forkserver *fs) {
  lp_fleet *f = lp_forkserver_owner(fs);
  f->forkserver = NULL;
  lp_forkserver_close(fs);
  const lp_forkserver_end end = {.status = SIGKILL};
  lp_list orphans; /* their replacements, of a new forkserver, are none */
  lp_list_init(&orphans);
  lp_list_join(&orphans, &f->slots);
  for (lp_list *link; (link = lp_list_shift(&orphans));) {
    lp_list_push(&f->slots, link);
    lp_slot_exited(lp_list_of(link, lp_slot, all), &end, LP_DEATH_ORPHAN);
  }
}

static const lp_forkserver_events events = {
    .started = on_started, .ended = on_ended, .stopped = on_stopped, .gone = on_gone};

static int start_forkserver(lp_fleet *f) {
  lp_oom_open(&f->oom);
  if (!f->given_pid) {
    int fd = lp_forkserver_exec(f->program ? f->program : "luapool", &f->given_pid);
    if (fd < 0) return fd;
    f->given_socket = fd;
  }
  int rc = lp_forkserver_open(&f->forkserver, f->st->loop, f->given_socket, f->given_pid,
                              &events, f);
  if (rc == 0) f->given_pid = 0; /* taken over */
  return rc;
}

int lp_fleet_spawn(lp_fleet *f, const lp_spawn *spawn) {
  int rc = f->forkserver ? 0 : start_forkserver(f);
  return rc < 0 ? rc : lp_forkserver_spawn(f->forkserver, spawn);
}

void lp_fleet_wake(lp_fleet *f) {
  if (f->forkserver) lp_forkserver_wake(f->forkserver);
}

void lp_fleet_kill(lp_fleet *f, uint32_t spawn_id, int signum) {
  if (f->forkserver) lp_forkserver_kill(f->forkserver, spawn_id, signum);
}

void lp_fleet_dump(lp_state *st) {
  lp_fleet *f = lp_fleet_find(st);
  if (!f) return;
  lp_list_each (link, &f->slots)
    lp_slot_say(lp_list_of(link, lp_slot, all), LP_SAY_DUMP, NULL, 0);
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
  lp_list_each (link, &of(part)->pools) lp_pool_terminate(lp_list_of(link, lp_pool, link));
}

static bool is_busy(const lp_part *part) {
  return !lp_list_empty(&lp_list_of(part, lp_fleet, part)->slots);
}

static void close_fleet(lp_part *part) {
  lp_fleet *f = of(part);
  lp_list_each (link, &f->pools) lp_pool_kill(lp_list_of(link, lp_pool, link));
  lp_forkserver_close(f->forkserver); /* ends every worker */
  f->forkserver = NULL;
  lp_list_each (slot, &f->slots) lp_slot_drop(lp_list_of(slot, lp_slot, all));
}

/* A forkserver that no pool has needed ends when main hangs up. */
static void free_fleet(lp_part *part) {
  lp_fleet *f = of(part);
  if (f->given_pid) lp_forkserver_hang_up(f->given_socket, f->given_pid);
  for (uint32_t i = 0; i < f->nprotos; i++) lp_buf_close(&f->protos[i]);
  lp_alloc_free(f->protos);
  lp_buf_close(&f->bytes);
  lp_buf_close(&f->numbers);
  lp_buf_close(&f->objects);
  lp_alloc_free(f);
}

static const lp_part_class class = {
    .stop = stop_fleet, .busy = is_busy, .close = close_fleet, .free = free_fleet};

int lp_fleet_open(lp_state *st, int socket, pid_t pid, const char *program) {
  lp_fleet *f = lp_alloc_new(sizeof *f);
  if (!f) return LP_EMEMORY;
  f->st = st;
  f->given_socket = socket;
  f->given_pid = pid;
  f->program = program;
  f->doubted = UINT64_MAX;
  lp_list_init(&f->pools);
  lp_list_init(&f->slots);
  lp_part_add(st, &f->part, &class);
  return 0;
}

lp_fleet *lp_fleet_find(const lp_state *st) {
  lp_part *part = lp_part_find(st, &class);
  return part ? of(part) : NULL;
}
