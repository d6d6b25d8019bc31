/* pool/pool.c: the life of a pool, its workers and its calls. Where a call goes stands in
 * dispatch.c. Layer: pool. Process: main. */
#include "runtime/pool/pool.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/ipc/spawn.h"
#include "runtime/loop/state.h"
#include "runtime/pool/protocol.h"
#include "runtime/pool/slot.h"

enum {
  MOST_EARLY_DEATHS = 5,
  FIRST_BACKOFF = 50,    /* milliseconds, doubled with each early death */
  TERMINATE_GRACE = 2000 /* milliseconds from "exit" to SIGKILL */
};

/* ---- whether the loop must go on ---- */

static void on_hold(uv_timer_t *timer);

static bool busy(const lp_pool *pool) {
  bool work = pool->counts.pending || pool->counts.running;
  return !pool->ended && (work || pool->closed);
}

static void hold(lp_pool *pool) {
  if (!pool->opened) return;
  bool on = busy(pool);
  if (on && !uv_is_active((uv_handle_t *)&pool->hold))
    uv_timer_start(&pool->hold, on_hold, UINT32_MAX, UINT32_MAX);
  if (!on) uv_timer_stop(&pool->hold);
}

/* ---- memory ---- */

static void on_closed(uv_handle_t *handle) {
  lp_pool_release(handle->data);
}

static void close_handles(lp_pool *pool) {
  if (!pool->opened) return;
  pool->opened = false;
  uv_close((uv_handle_t *)&pool->hold, on_closed);
  uv_close((uv_handle_t *)&pool->backoff, on_closed);
}

void lp_pool_release(lp_pool *pool) {
  if (--pool->holders > 0) return;
  lp_list_remove(&pool->link);
  if (pool->page) munmap((void *)pool->page, pool->processes * sizeof *pool->page);
  if (pool->page_fd >= 0) close(pool->page_fd);
  lp_buf_close(&pool->setup);
  lp_alloc_free(pool->slots);
  lp_alloc_free(pool->table);
  lp_alloc_free(pool->vacant);
  lp_alloc_free(pool->broken);
  lp_alloc_free(pool);
}

void lp_pool_release_snapshot(lp_snapshot *s) {
  lp_pool *pool = s->pool;
  if (--s->holders > 0) return;
  for (uint32_t i = 0; i < pool->processes; i++)
    if (pool->slots[i]) lp_slot_forget(pool->slots[i], s->number);
  lp_alloc_free(s);
  lp_pool_release(pool);
}

/* ---- workers ---- */

static void end_if_empty(lp_pool *pool) {
  for (uint32_t i = 0; i < pool->processes; i++)
    if (pool->slots[i]) return;
  if (!pool->closed || pool->ended) return;
  pool->ended = true;
  hold(pool);
  close_handles(pool);
  lp_list asked;
  lp_list_init(&asked);
  lp_list_join(&asked, &pool->watches);
  for (lp_list *link; (link = lp_list_shift(&asked));) {
    lp_pool_watch *w = lp_list_of(link, lp_pool_watch, link);
    w->ended(w);
  }
}

static void tell_exit(lp_pool *pool) {
  for (uint32_t i = 0; i < pool->processes; i++) {
    lp_slot *slot = pool->slots[i];
    if (!slot || slot->leaving) continue;
    slot->leaving = true;
    lp_slot_say(slot, LP_SAY_EXIT, NULL, 0);
  }
}

static void kill_all(lp_pool *pool) {
  for (uint32_t i = 0; i < pool->processes; i++)
    if (pool->slots[i]) lp_fleet_kill(pool->fleet, pool->slots[i]->spawn_id, SIGKILL);
}

static void on_hold(uv_timer_t *timer) {
  lp_pool *pool = timer->data;
  if (pool->killed) kill_all(pool);
}

/* Workers leave when there is nothing left that they could do. */
static void check_leaving(lp_pool *pool) {
  bool work = pool->counts.pending || pool->counts.running || pool->users;
  if (pool->closed && (pool->killed || !work)) {
    tell_exit(pool);
    end_if_empty(pool);
  }
  hold(pool);
}

static void lose_pending(lp_pool *pool, lp_call_state state) {
  while (!lp_list_empty(&pool->pending))
    lp_pool_finish(lp_list_of(pool->pending.next, lp_call, link), state);
}

void lp_pool_break(lp_pool *pool, const char *values, size_t len) {
  if (pool->broken) return;
  pool->broken = lp_alloc_resize(NULL, len + 1);
  if (pool->broken) memcpy(pool->broken, values, len);
  pool->broken_len = len;
  lose_pending(pool, LP_CALL_LOST);
}

static void break_with(lp_pool *pool, const char *text) {
  if (pool->broken) return;
  pool->broken = lp_alloc_resize(NULL, strlen(text) + 1);
  if (pool->broken) strcpy(pool->broken, text);
  lose_pending(pool, LP_CALL_LOST);
}

static void start_missing(lp_pool *pool);

static void on_backoff(uv_timer_t *timer) {
  start_missing(timer->data);
}

static void retry_later(lp_pool *pool, const char *reason) {
  if (++pool->early_deaths >= MOST_EARLY_DEATHS)
    break_with(pool, reason);
  else if (!pool->closed)
    uv_timer_start(&pool->backoff, on_backoff, FIRST_BACKOFF << pool->early_deaths, 0);
}

static void start_missing(lp_pool *pool) {
  bool wanted = !pool->broken && !pool->killed;
  for (uint32_t i = 0; wanted && i < pool->processes; i++) {
    int error;
    if (pool->slots[i]) continue;
    pool->slots[i] = lp_slot_start(pool, i + 1, &error);
    if (pool->slots[i]) continue;
    retry_later(pool, lp_error_text(error));
    break;
  }
  lp_pool_pump(pool);
}

/* Its worker is dead: the call goes first in line again, unless it has had its chances. */
static void rerun(lp_pool *pool, lp_slot *slot, lp_call *call, bool charged) {
  enum { MOST_RERUNS = 20 };
  call->pid = slot->pid;
  call->wait_status = slot->status;
  uint32_t *count = charged ? &call->crashes : &call->reruns;
  uint32_t most = charged || !pool->crash_retries ? pool->crash_retries : MOST_RERUNS;
  bool again = ++*count <= most;
  if (pool->killed || call->cancelling)
    lp_pool_finish(call, LP_CALL_CANCELLED);
  else if (pool->broken)
    lp_pool_finish(call, LP_CALL_LOST);
  else if (!again) {
    call->report = lp_output_tail(&slot->err);
    lp_pool_finish(call, LP_CALL_DIED);
  } else {
    lp_list_remove(&call->link);
    lp_list_unshift(&pool->pending, &call->link);
    call->state = LP_CALL_PENDING;
    call->slot = NULL;
    pool->counts.running--;
    pool->counts.pending++;
  }
}

void lp_pool_lose(lp_pool *pool, lp_slot *slot) {
  uint64_t guilty = pool->page[slot->id - 1];
  pool->page[slot->id - 1] = 0;
  if (pool->slots[slot->id - 1] == slot) pool->slots[slot->id - 1] = NULL;
  while (!lp_list_empty(&slot->calls)) { /* from the last, so that the first ends up in front */
    lp_call *call = lp_list_of(slot->calls.prev, lp_call, link);
    rerun(pool, slot, call, call->number == guilty);
  }
  check_leaving(pool);
  if (slot->leaving || pool->ended) return;
  pool->counts.restarts++;
  if (slot->ready)
    start_missing(pool);
  else
    retry_later(pool, slot->error < 0 ? lp_error_text(slot->error) : "workers die at start");
}

/* ---- calls ---- */

lp_call *lp_pool_find(lp_pool *pool, uint64_t number) {
  uint32_t index = (uint32_t)number - 1;
  lp_call *call = index < pool->table_size ? pool->table[index] : NULL;
  return call && call->number == number ? call : NULL;
}

static int grow_table(lp_pool *pool) {
  uint32_t old = pool->table_size, size = old ? old * 2 : 64;
  lp_call **table = lp_alloc_resize(pool->table, size * sizeof *table);
  if (!table) return LP_EMEMORY;
  pool->table = table;
  uint32_t *vacant = lp_alloc_resize(pool->vacant, size * sizeof *vacant);
  if (!vacant) return LP_EMEMORY;
  pool->vacant = vacant;
  for (uint32_t i = size; i > old; i--) {
    table[i - 1] = NULL;
    vacant[pool->nvacant++] = i - 1;
  }
  pool->table_size = size;
  return 0;
}

int lp_pool_submit(lp_pool *pool, lp_call *call) {
  if (pool->killed || pool->ended) return LP_ECLOSED;
  if (!pool->nvacant && grow_table(pool) < 0) return LP_EMEMORY;
  uint32_t index = pool->vacant[--pool->nvacant];
  pool->table[index] = call;
  call->number = ++pool->generation << 32 | (index + 1);
  call->pool = pool;
  call->holders++;
  lp_list_push(&pool->pending, &call->link);
  pool->counts.submitted++;
  pool->counts.pending++;
  if (pool->broken)
    lp_pool_finish(call, LP_CALL_LOST);
  else
    lp_pool_pump(pool);
  hold(pool);
  return 0;
}

static void leave_slot(lp_call *call) {
  if (!call->slot) return;
  call->slot->load--;
  if (call->crashes) call->slot->reserved = false;
  call->slot = NULL;
}

void lp_pool_finish(lp_call *call, lp_call_state state) {
  lp_pool *pool = call->pool;
  lp_pool_counts *counts = &pool->counts;
  if (call->state == LP_CALL_PENDING)
    counts->pending--;
  else
    counts->running--;
  if (state == LP_CALL_DONE)
    counts->done++;
  else if (state == LP_CALL_CANCELLED)
    counts->cancelled++;
  else if (state == LP_CALL_LOST)
    counts->lost++;
  else
    counts->failed++;
  lp_list_remove(&call->link);
  leave_slot(call);
  uint32_t index = (uint32_t)call->number - 1;
  pool->table[index] = NULL;
  pool->vacant[pool->nvacant++] = index;
  call->state = state;
  if (call->ended) call->ended(call);
  lp_call_release(call);
}

void lp_pool_cancel(lp_call *call) {
  if (lp_call_ended(call) || call->cancelling) return;
  call->cancelling = true;
  if (call->slot)
    lp_slot_say(call->slot, LP_SAY_CANCEL, &call->number, sizeof call->number);
  else
    lp_pool_finish(call, LP_CALL_CANCELLED);
}

/* The least loaded worker with a place for the call, or NULL. A call that has killed a worker
 * before runs alone. */
static lp_slot *choose(const lp_pool *pool, const lp_call *call) {
  lp_slot *best = NULL;
  uint32_t least = call->crashes ? 1 : pool->concurrency;
  for (uint32_t i = 0; i < pool->processes; i++) {
    lp_slot *slot = pool->slots[i];
    bool open = slot && !slot->reserved && !slot->leaving && !slot->exited && !slot->ended;
    if (!open || slot->load >= least) continue;
    least = slot->load;
    best = slot;
  }
  return best;
}

void lp_pool_pump(lp_pool *pool) {
  while (!lp_list_empty(&pool->pending)) {
    lp_call *call = lp_list_of(pool->pending.next, lp_call, link);
    lp_slot *slot = choose(pool, call);
    if (!slot) break;
    lp_list_remove(&call->link);
    if (lp_slot_send(slot, call) < 0) {
      lp_pool_finish(call, LP_CALL_LOST);
      continue;
    }
    pool->counts.pending--;
    pool->counts.running++;
  }
  check_leaving(pool);
}

/* ---- the life of a pool ---- */

void lp_pool_enter(lp_pool *pool) {
  pool->users++;
}

void lp_pool_leave(lp_pool *pool) {
  pool->users--;
  check_leaving(pool);
}

void lp_pool_close(lp_pool *pool) {
  pool->closed = true;
  check_leaving(pool);
}

static void cancel_running(lp_pool *pool) {
  for (uint32_t i = 0; i < pool->processes; i++) {
    lp_slot *slot = pool->slots[i];
    if (!slot) continue;
    lp_list_each (link, &slot->calls) lp_pool_cancel(lp_list_of(link, lp_call, link));
  }
}

void lp_pool_terminate(lp_pool *pool) {
  if (pool->killed || pool->ended) return;
  pool->closed = pool->killed = true;
  lose_pending(pool, LP_CALL_CANCELLED);
  cancel_running(pool);
  check_leaving(pool);
  if (pool->opened && !pool->ended) uv_timer_start(&pool->hold, on_hold, TERMINATE_GRACE, 100);
}

void lp_pool_kill(lp_pool *pool) {
  lp_pool_terminate(pool);
  kill_all(pool);
}

static int make_page(lp_pool *pool) {
  size_t size = pool->processes * sizeof *pool->page;
  pool->page_fd = lp_spawn_page(size);
  if (pool->page_fd < 0) return pool->page_fd;
  void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, pool->page_fd, 0);
  if (page == MAP_FAILED) return LP_EMEMORY;
  pool->page = page;
  return 0;
}

static void open_handles(lp_pool *pool) {
  uv_timer_init(pool->fleet->st->loop, &pool->hold);
  uv_timer_init(pool->fleet->st->loop, &pool->backoff);
  pool->hold.data = pool->backoff.data = pool;
  pool->opened = true;
  pool->holders += 2;
}

lp_pool *lp_pool_open(lp_fleet *f, uint32_t processes, uint32_t concurrency,
                      uint32_t crash_retries, const lp_buf *setup, int *error) {
  lp_pool *pool = lp_alloc_new(sizeof *pool);
  *error = LP_EMEMORY;
  if (!pool) return NULL;
  lp_list_init(&pool->link);
  lp_list_init(&pool->pending);
  lp_list_init(&pool->watches);
  pool->fleet = f;
  pool->holders = 1;
  pool->processes = processes;
  pool->concurrency = concurrency;
  pool->crash_retries = crash_retries;
  pool->page_fd = -1;
  pool->slots = lp_alloc_new(processes * sizeof(lp_slot *));
  if (!pool->slots || lp_buf_append(&pool->setup, setup->data, setup->len) < 0) goto fail;
  if ((*error = make_page(pool)) < 0) goto fail;
  open_handles(pool);
  lp_list_push(&f->pools, &pool->link);
  start_missing(pool);
  return pool;
fail:
  lp_pool_release(pool);
  return NULL;
}
