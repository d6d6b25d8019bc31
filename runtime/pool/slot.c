/* pool/slot.c: starting a worker, talking to it, noticing its death. Layer: pool. Process:
 * main. */
#include "runtime/pool/slot.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/ipc/forkserver.h"
#include "runtime/ipc/spawn.h"
#include "runtime/loop/loop.h"
#include "runtime/pool/fleet.h"
#include "runtime/pool/object.h"
#include "runtime/pool/protocol.h"

/* ---- the end ---- */

static void release(lp_slot *slot) {
  if (--slot->open > 0) return;
  const lp_slot_context *context = slot->context;
  lp_list_remove(&slot->flush.link);
  lp_timer_stop(&slot->fleet->st->timers, &slot->deadline);
  if (slot->shared) munmap(slot->shared, sizeof *slot->shared);
  lp_buf_close(&slot->sent_protos);
  lp_buf_close(&slot->has);
  lp_death_close(&slot->death);
  lp_alloc_free(slot);
  context->events->closed(context->owner);
}

static void channel_closed(lp_channel *c) {
  release(c->owner);
}
static void out_closed(lp_output *o) {
  release(lp_list_of(o, lp_slot, out));
}
static void err_closed(lp_output *o) {
  release(lp_list_of(o, lp_slot, err));
}

static void close_handles(lp_slot *slot) {
  slot->open = 1;
  slot->open += lp_channel_close(&slot->channel, channel_closed);
  slot->open += lp_output_close(&slot->out, out_closed);
  slot->open += lp_output_close(&slot->err, err_closed);
  release(slot);
}

/* It is as good as dead, whatever is still unread. */
static void drop(lp_slot *slot) {
  lp_slot_life life = slot->life;
  if (life == LP_SLOT_GONE) return;
  slot->life = LP_SLOT_GONE;
  lp_list_remove(&slot->worker.link);
  lp_output_finish(&slot->out);
  lp_output_finish(&slot->err);
  slot->death.report = lp_output_tail(&slot->err);
  slot->context->events->gone(slot, life);
  close_handles(slot);
}

/* Dead for the pool only when all that it has sent has been read. */
static void check_gone(lp_slot *slot) {
  if (slot->exited && slot->hung_up) drop(slot);
}

static lp_slot *slot_of(lp_fleet_worker *w) {
  return lp_list_of(w, lp_slot, worker);
}

static void on_dropped(lp_fleet_worker *w) {
  drop(slot_of(w));
}

static void on_started(lp_fleet_worker *w, pid_t pid) {
  lp_slot *slot = slot_of(w);
  slot->death.pid = pid;
  slot->context->events->started(slot);
}

static lp_death_cause cause_of(lp_slot *slot, lp_death_cause known) {
  if (slot->blame != LP_DEATH_PLAIN) return slot->blame;
  return slot->frozen ? LP_DEATH_FROZEN : known;
}

static void on_exited(lp_fleet_worker *w, const lp_forkserver_end *end, lp_death_cause cause) {
  lp_slot *slot = slot_of(w);
  if (slot->exited) return;
  slot->exited = true;
  if (end->pid) slot->death.pid = end->pid;
  slot->death.status = end->status;
  slot->death.error = end->error;
  slot->death.peak = end->peak;
  slot->death.cause = cause_of(slot, cause);
  if (end->pid && !slot->hung_up)
    lp_channel_finish(&slot->channel); /* a child of it may keep that open */
  else
    check_gone(slot);
}

void lp_slot_kill(lp_slot *slot) {
  slot->killed = true;
  lp_fleet_kill(slot->fleet, &slot->worker, SIGKILL);
}

/* Kills it after a while; without memory for the timer at once. */
static void kill_after(lp_slot *slot, int milliseconds) {
  double seconds = lp_grace_seconds(milliseconds);
  if (lp_loop_after(slot->fleet->st, &slot->deadline, seconds) < 0) lp_slot_kill(slot);
}

static void on_deadline(lp_timer *t) {
  lp_slot *slot = lp_list_of(t, lp_slot, deadline);
  bool sure =
      slot->doubted; /* main may have been stopped as well, and be quicker on its feet */
  slot->doubted = true;
  if (sure)
    lp_slot_kill(slot);
  else
    kill_after(slot, LP_GRACE_AGAIN);
}

/* One that leaves hangs up first, and then has a moment to close what it has. One that sends
 * garbage has not. */
static void on_ended(lp_channel *c, int status) {
  lp_slot *slot = c->owner;
  slot->hung_up = true;
  if (status < 0 && slot->blame == LP_DEATH_PLAIN) slot->blame = LP_DEATH_GARBAGE;
  if (status < 0 && !slot->exited) lp_slot_kill(slot);
  if (!slot->exited && !slot->deadline.place) kill_after(slot, LP_GRACE_FROZEN);
  check_gone(slot);
}

/* One that stays stopped is killed: its calls run again. */
static void on_frozen(lp_fleet_worker *w, bool frozen) {
  lp_slot *slot = slot_of(w);
  lp_state *st = slot->fleet->st;
  slot->frozen = frozen;
  slot->doubted = false;
  if (frozen)
    kill_after(slot, LP_GRACE_FROZEN);
  else if (!slot->hung_up)
    lp_timer_stop(&st->timers, &slot->deadline);
}

static const lp_fleet_events worker_events = {
    .started = on_started, .exited = on_exited, .frozen = on_frozen, .dropped = on_dropped};

/* ---- what it says ---- */

static void receive_ready(lp_slot *slot, const lp_frame *frame) {
  (void)frame;
  if (slot->life == LP_SLOT_STARTING) slot->life = LP_SLOT_READY;
  slot->context->events->ready(slot);
}

static void receive_broken(lp_slot *slot, const lp_frame *frame) {
  if (slot->life != LP_SLOT_STARTING) return; /* garbage, or it is to leave anyhow */
  slot->context->events->broken(slot, frame->payload, frame->len);
}

static void receive_end(lp_slot *slot, const lp_frame *frame, lp_call_state state) {
  uint64_t number;
  if (frame->len < sizeof number) return;
  memcpy(&number, frame->payload, sizeof number);
  lp_call *call = lp_calls_find(slot->context->calls, number);
  if (!call || call->load != &slot->load) return;
  const char *values = frame->payload + sizeof number;
  if (lp_call_keep_result(call, values, frame->len - sizeof number) < 0) state = LP_CALL_LOST;
  slot->done++;
  lp_calls_finish(call, state);
}

static void receive_returned(lp_slot *slot, const lp_frame *frame) {
  slot->recalled = false;
  slot->context->events->returned(slot, frame->payload, frame->len / sizeof(uint64_t));
}

static void receive_retire(lp_slot *slot, const lp_frame *frame) {
  (void)frame;
  slot->context->events->retire(slot);
}

/* Without memory for what it asks it would wait for ever: its calls run elsewhere. */
static void receive_remote(lp_slot *slot, const lp_frame *frame) {
  if (slot->context->events->asked(slot, frame) < 0) lp_slot_kill(slot);
}

static void receive_done(lp_slot *s, const lp_frame *f) {
  receive_end(s, f, LP_CALL_DONE);
}
static void receive_failed(lp_slot *s, const lp_frame *f) {
  receive_end(s, f, LP_CALL_FAILED);
}
static void receive_cancelled(lp_slot *s, const lp_frame *f) {
  receive_end(s, f, LP_CALL_CANCELLED);
}

static void receive_stalled(lp_slot *slot, const lp_frame *frame) {
  if (frame->len < sizeof slot->stalled) return;
  memcpy(&slot->stalled, frame->payload, sizeof slot->stalled);
  slot->probed = false;
}

static void on_frame(lp_channel *c, const lp_frame *frame) {
  static void (*const hear[])(lp_slot *, const lp_frame *) = {
      [LP_MSG_READY] = receive_ready,         [LP_MSG_BROKEN] = receive_broken,
      [LP_MSG_DONE] = receive_done,           [LP_MSG_FAILED] = receive_failed,
      [LP_MSG_CANCELLED] = receive_cancelled, [LP_MSG_RETURNED] = receive_returned,
      [LP_MSG_RETIRE] = receive_retire,       [LP_MSG_ASK] = receive_remote,
      [LP_MSG_WITHDRAW] = receive_remote,     [LP_MSG_HOLD] = receive_remote,
      [LP_MSG_LET_GO] = receive_remote,       [LP_MSG_TOOK] = receive_remote,
      [LP_MSG_MOVED] = receive_remote,        [LP_MSG_ENDED] = receive_remote,
      [LP_MSG_STALLED] = receive_stalled,
  };
  bool known = frame->type < sizeof hear / sizeof *hear && hear[frame->type];
  if (known) hear[frame->type](c->owner, frame);
}

static void on_batch(lp_channel *c) {
  lp_slot *slot = c->owner;
  slot->context->events->batch(slot);
}

static const lp_channel_events events = {
    .frame = on_frame, .batch = on_batch, .ended = on_ended};

/* ---- what is said to it ---- */

static void on_flush(lp_flush *f) {
  lp_slot *slot = lp_list_of(f, lp_slot, flush);
  lp_channel_flush(&slot->channel);
  slot->context->events->flushed(slot);
}

static int posted(lp_slot *slot, int rc) {
  lp_loop_flush(slot->fleet->st, &slot->flush);
  if (rc == 0) slot->posted++;
  return rc;
}

static int post(lp_slot *slot, uint8_t type, const void *payload, size_t len) {
  return posted(slot, lp_frame_append(lp_channel_out(&slot->channel), type, payload, len));
}

/* One that could not be told what it must know would never do it. */
void lp_slot_post(lp_slot *slot, uint8_t type, const void *payload, size_t len) {
  if (post(slot, type, payload, len) < 0) lp_slot_kill(slot);
}

int lp_slot_post_parts(lp_slot *slot, uint8_t type, const void *head, size_t head_len,
                       const void *bytes, size_t len) {
  lp_buf *out = lp_channel_out(&slot->channel);
  return posted(slot, lp_frame_append_parts(out, type, head, head_len, bytes, len));
}

void lp_slot_leave(lp_slot *slot) {
  if (slot->life >= LP_SLOT_LEAVING) return;
  slot->life = LP_SLOT_LEAVING;
  lp_slot_post(slot, LP_MSG_EXIT, NULL, 0);
}

static bool is_ending(const lp_slot *slot) {
  return !lp_slot_alive(slot) || slot->frozen;
}

bool lp_slot_moves(const lp_slot *slot) {
  if (slot->stalled != slot->posted || is_ending(slot)) return true;
  return slot->probed_at != slot->fleet->st->resumes;
}

void lp_slot_probe(lp_slot *slot) {
  if (slot->probed || is_ending(slot) || !lp_slot_moves(slot)) return;
  slot->probed = true;
  slot->probed_at = slot->fleet->st->resumes;
  lp_slot_post(slot, LP_MSG_PROBE, NULL, 0);
}

static int send_protos(lp_slot *slot, const uint32_t *numbers, uint32_t n) {
  lp_fleet *f = slot->fleet;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t number = numbers[i];
    if (number & LP_OBJECT_BIT) continue;
    size_t old = slot->sent_protos.len;
    if (number >= old) {
      if (lp_buf_reserve(&slot->sent_protos, number + 1 - old) < 0) return LP_EMEMORY;
      memset(slot->sent_protos.data + old, 0, number + 1 - old);
      slot->sent_protos.len = number + 1;
    }
    if (slot->sent_protos.data[number]) continue;
    lp_buf *code = &f->protos[number];
    int rc =
        lp_slot_post_parts(slot, LP_MSG_PROTO, &number, sizeof number, code->data, code->len);
    if (rc < 0) return rc;
    slot->sent_protos.data[number] = 1;
  }
  return 0;
}

static bool holds(const lp_slot *slot, uint32_t snapshot) {
  const uint32_t *has = (const uint32_t *)slot->has.data;
  for (size_t i = 0; i < slot->has.len / sizeof *has; i++)
    if (has[i] == snapshot) return true;
  return false;
}

static int send_snapshot(lp_slot *slot, const lp_snapshot *s) {
  if (holds(slot, s->number)) return 0;
  int rc = send_protos(slot, (const uint32_t *)s->data, s->protos);
  if (rc < 0 || (rc = lp_buf_append(&slot->has, &s->number, sizeof s->number)) < 0) return rc;
  const char *bytes = s->data + s->protos * sizeof(uint32_t);
  rc = lp_slot_post_parts(slot, LP_MSG_SNAPSHOT, &s->number, sizeof s->number, bytes, s->len);
  if (rc < 0) slot->has.len -= sizeof s->number;
  return rc;
}

int lp_slot_send(lp_slot *slot, lp_call *call) {
  lp_task_head head = {.number = call->number, .attempt = ++call->attempt};
  int rc = 0;
  if (call->snapshot) {
    head.snapshot = call->snapshot->number;
    rc = send_snapshot(slot, call->snapshot);
  }
  if (rc == 0 && call->protos) rc = send_protos(slot, lp_call_protos(call), call->protos);
  if (rc == 0)
    rc = lp_slot_post_parts(slot, LP_MSG_TASK, &head, sizeof head, lp_call_bytes(call),
                            call->len);
  if (rc < 0) return rc;
  lp_calls_sent(call, &slot->load);
  lp_loop_flush(slot->fleet->st, &slot->flush);
  return 0;
}

void lp_slot_forget(lp_slot *slot, uint32_t snapshot) {
  uint32_t *has = (uint32_t *)slot->has.data;
  size_t n = slot->has.len / sizeof *has;
  for (size_t i = 0; i < n; i++) {
    if (has[i] != snapshot) continue;
    has[i] = has[n - 1];
    slot->has.len -= sizeof *has;
    lp_slot_post(slot, LP_MSG_DROP, &snapshot, sizeof snapshot);
    return;
  }
}

/* ---- the start ---- */

typedef struct ends {
  int channel[2], out[2], err[2]; /* ours, the worker's */
  int page;
} ends;

static void close_pair(int pair[2]) {
  for (int i = 0; i < 2; i++)
    if (pair[i] >= 0) close(pair[i]);
}

static int make_ends(ends *e) {
  int rc = lp_spawn_pair(SOCK_STREAM, e->channel);
  if (rc == 0) rc = lp_spawn_pipe(e->out);
  if (rc == 0) rc = lp_spawn_pipe(e->err);
  if (rc == 0) rc = e->page = lp_spawn_page(sizeof(lp_shared));
  return rc < 0 ? rc : 0;
}

/* Each of our ends belongs to its handle once that is open. */
static int open_handles(lp_slot *slot, ends *e) {
  lp_state *st = slot->fleet->st;
  int rc = lp_channel_open(&slot->channel, st->loop, e->channel[0], &events, slot);
  if (rc < 0) return rc;
  e->channel[0] = -1;
  lp_channel_ref(&slot->channel, false);
  if ((rc = lp_output_open(&slot->out, st, e->out[0], LP_TEXT_OUT)) < 0) return rc;
  e->out[0] = -1;
  if ((rc = lp_output_open(&slot->err, st, e->err[0], LP_TEXT_ERR)) < 0) return rc;
  e->err[0] = -1;
  return 0;
}

static int launch(lp_slot *slot, ends *e) {
  const lp_buf *setup = &slot->context->setup;
  slot->shared = lp_spawn_map(e->page, sizeof *slot->shared);
  if (!slot->shared) return LP_EMEMORY;
  int rc = open_handles(slot, e);
  if (rc < 0) return rc;
  if ((rc = post(slot, LP_MSG_SETUP, setup->data, setup->len)) < 0) return rc;
  lp_spawn spawn = {.slot = slot->id,
                    .channel = e->channel[1],
                    .out = e->out[1],
                    .err = e->err[1],
                    .page = e->page};
  return lp_fleet_spawn(slot->fleet, &slot->worker, &spawn);
}

static void on_emptied(lp_load *load) {
  lp_slot *slot = lp_list_of(load, lp_slot, load);
  slot->context->events->emptied(slot);
}

static lp_slot *make(const lp_slot_context *context, uint32_t id) {
  lp_slot *slot = lp_alloc_new(sizeof *slot);
  if (!slot) return NULL;
  context->events->opened(context->owner);
  slot->context = context;
  slot->fleet = context->fleet;
  slot->id = slot->death.worker = id;
  slot->worker.events = &worker_events;
  lp_list_init(&slot->worker.link);
  lp_list_init(&slot->member);
  lp_list_init(&slot->load.calls);
  slot->load.emptied = on_emptied;
  lp_list_init(&slot->flush.link);
  slot->flush.run = on_flush;
  slot->deadline.fire = on_deadline;
  return slot;
}

lp_slot *lp_slot_start(const lp_slot_context *context, uint32_t id, int *error) {
  ends e = {{-1, -1}, {-1, -1}, {-1, -1}, -1};
  lp_slot *slot = make(context, id);
  *error = LP_EMEMORY;
  if (!slot) return NULL;
  if ((*error = make_ends(&e)) == 0) *error = launch(slot, &e);
  close_pair(e.channel);
  close_pair(e.out);
  close_pair(e.err);
  if (e.page >= 0) close(e.page);
  if (*error < 0) {
    close_handles(slot);
    return NULL;
  }
  return slot;
}
