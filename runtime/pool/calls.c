/* pool/calls.c: the table of calls, the line, the counts. Layer: pool. Process: main. */
#include "runtime/pool/calls.h"

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"

enum { MOST_RERUNS = 20 }; /* of a call whose workers die of others */

void lp_calls_open(lp_calls *calls) {
  lp_list_init(&calls->pending);
  lp_list_init(&calls->charged);
}

void lp_calls_close(lp_calls *calls) {
  lp_alloc_free(calls->table);
  lp_alloc_free(calls->vacant);
}

static int grow_table(lp_calls *calls) {
  uint32_t old = calls->size, size = old ? old * 2 : 64;
  lp_call **table = lp_alloc_resize(calls->table, size * sizeof *table);
  if (!table) return LP_EMEMORY;
  calls->table = table;
  uint32_t *vacant = lp_alloc_resize(calls->vacant, size * sizeof *vacant);
  if (!vacant) return LP_EMEMORY;
  calls->vacant = vacant;
  for (uint32_t i = size; i > old; i--) {
    table[i - 1] = NULL;
    vacant[calls->nvacant++] = i - 1;
  }
  calls->size = size;
  return 0;
}

int lp_calls_add(lp_calls *calls, lp_call *call) {
  if (!calls->nvacant && grow_table(calls) < 0) return LP_EMEMORY;
  uint32_t index = calls->vacant[--calls->nvacant];
  calls->table[index] = call;
  call->calls = calls;
  call->number = ++calls->numbered << 32 | (index + 1);
  call->holders++;
  lp_list_push(&calls->pending, &call->link);
  calls->counts.submitted++;
  calls->counts.pending++;
  return 0;
}

lp_call *lp_calls_find(const lp_calls *calls, uint64_t number) {
  uint32_t index = (uint32_t)number - 1;
  lp_call *call = index < calls->size ? calls->table[index] : NULL;
  return call && call->number == number ? call : NULL;
}

void lp_calls_sent(lp_call *call, lp_load *load) {
  lp_list_remove(&call->link);
  lp_list_push(&load->calls, &call->link);
  call->load = load;
  call->turn = ++load->turns;
  call->state = LP_CALL_SENT;
  load->count++;
  call->calls->counts.pending--;
  call->calls->counts.running++;
}

static void leave_load(lp_call *call) {
  lp_load *load = call->load;
  if (!load) return;
  call->load = NULL;
  if (--load->count == 0) load->emptied(load);
}

void lp_calls_requeue(lp_call *call) {
  lp_calls *calls = call->calls;
  lp_list_remove(&call->link);
  lp_list_unshift(call->crashes ? &calls->charged : &calls->pending, &call->link);
  leave_load(call);
  call->state = LP_CALL_PENDING;
  calls->counts.running--;
  calls->counts.pending++;
}

bool lp_calls_charge(lp_call *call, bool guilty, bool started, uint32_t retries) {
  uint32_t *count = guilty ? &call->crashes : &call->reruns;
  uint32_t most = guilty || (started && !retries) ? retries : MOST_RERUNS;
  if (!started) call->attempt--;
  return ++*count <= most;
}

static void count_end(lp_calls_counts *counts, const lp_call *call, lp_call_state state) {
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
}

void lp_calls_finish(lp_call *call, lp_call_state state) {
  lp_calls *calls = call->calls;
  uint32_t index = (uint32_t)call->number - 1;
  count_end(&calls->counts, call, state);
  lp_list_remove(&call->link);
  leave_load(call);
  calls->table[index] = NULL;
  calls->vacant[calls->nvacant++] = index;
  call->state = state;
  if (call->ended) call->ended(call);
  lp_call_release(call);
}

void lp_calls_finish_pending(lp_calls *calls, lp_call_state state) {
  lp_list_join(&calls->pending, &calls->charged);
  while (!lp_list_empty(&calls->pending))
    lp_calls_finish(lp_list_of(calls->pending.next, lp_call, link), state);
}

void lp_calls_refuse(lp_calls *calls, lp_call *call) {
  call->state = LP_CALL_FAILED;
  calls->counts.submitted++;
  calls->counts.failed++;
  if (call->ended) call->ended(call);
}
