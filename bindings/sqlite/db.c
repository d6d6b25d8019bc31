/* bindings/sqlite/db.c: a connection and the tasks that share it. Layer: bindings. */
#include "bindings/sqlite/db.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings/sqlite/error.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/libuv.h"
#include "runtime/loop/usage.h"

typedef lpb_sqlite_db db;
typedef lpb_sqlite_db_call db_call;

/* ---- whose turn it is ---- */

static void next(db *d);

void lpb_sqlite_db_hold(db *d) {
  d->holders++;
}

void lpb_sqlite_db_release(db *d) {
  if (--d->holders == 0) lp_alloc_free(d);
}

static void end_call(db_call *call, int rc) {
  lp_op_finish(&call->op, rc);
  lp_op_release(&call->op);
}

/* In a thread. */
static void run(uv_work_t *job) {
  db *d = lp_list_of(job, db, job);
  if (d->current) {
    lpb_sqlite_work_run(&d->work, &d->current->work);
    return;
  }
  lpb_sqlite_work_clean(&d->work, &d->cleaning, d->undoing);
  if (d->closed) lpb_sqlite_work_close(&d->work);
}

static void retry(lp_timer *pause);

/* True when the call is to be tried again after a pause, which has begun then. */
static bool pauses(db_call *call) {
  static const double PAUSES[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05};
  enum { LAST = sizeof PAUSES / sizeof *PAUSES - 1 };
  double now = lp_loop_now(call->db->st), left = call->end - now;
  bool wanted = !call->op.finished && !call->op.stopping;
  if (!wanted || left <= 0 || !lpb_sqlite_work_is_busy(&call->work)) return false;
  double pause = PAUSES[call->tries < LAST ? call->tries : LAST];
  call->tries++;
  call->pause.fire = retry;
  return lp_loop_after(call->db->st, &call->pause, pause < left ? pause : left) == 0;
}

/* Leaves the transactions of this depth and of those inside it, which are rolled back. */
static void undo(db *d, int depth) {
  d->depth = depth - 1;
  if (d->undo < 0 || d->undo > d->depth) d->undo = d->depth;
}

/* Counts a transaction that has begun or ended, and tells its object. One that was begun for a
 * task which waits no more is rolled back. */
static void count_transaction(db *d, db_call *call) {
  lpb_sqlite_db_transaction *transaction = call->object;
  bool ok = call->work.code == 0;
  if (ok && call->work.verb == LPB_SQLITE_WORK_BEGIN) {
    d->depth++;
    if (call->op.finished)
      undo(d, d->depth);
    else
      transaction->depth = d->depth;
  } else if (ok && call->work.verb == LPB_SQLITE_WORK_COMMIT) {
    d->depth--;
    if (!call->op.finished) transaction->depth = 0;
  }
  if (d->depth == 0) d->owner = NULL;
}

static void ran(uv_work_t *job, int status) {
  db *d = lp_list_of(job, db, job);
  db_call *call = d->current;
  d->working = false;
  lp_heap_settle(&d->st->heap, d->weight, d->work.weight);
  if (!call) {
    while (d->closed && !lp_list_empty(&d->closers))
      end_call(lp_list_of(lp_list_shift(&d->closers), db_call, link), 0);
  } else if (status < 0 || !pauses(call)) {
    d->current = NULL;
    if (status < 0) call->work.code = SQLITE_INTERRUPT; /* it was cancelled before it began */
    count_transaction(d, call);
    end_call(call, 0);
  }
  next(d);
  lpb_sqlite_db_release(d);
}

static void start_job(db *d) {
  d->working = true;
  lpb_sqlite_db_hold(d);
  atomic_store_explicit(&d->work.stop, false, memory_order_relaxed);
  d->work.room = lp_heap_room(&d->st->heap);
  d->work.budget = d->st->limits.task_us;
  d->weight = d->work.weight;
  if (lp_libuv_queue(d->loop, &d->job, run, ran) < 0) abort(); /* it takes any job of ours */
}

static void retry(lp_timer *pause) {
  start_job(lp_list_of(pause, db_call, pause)->db);
}

/* What a transaction begins and ends with. */
static int set_transaction_sql(db *d, db_call *call) {
  char sql[64];
  bool begins = call->work.verb == LPB_SQLITE_WORK_BEGIN;
  int level = begins ? d->depth : d->depth - 1;
  if (level > 0)
    snprintf(sql, sizeof sql, "%s luapool_%d", begins ? "SAVEPOINT" : "RELEASE", level);
  else
    snprintf(sql, sizeof sql, "%s",
             !begins       ? "COMMIT"
             : d->readonly ? "BEGIN"
                           : "BEGIN IMMEDIATE");
  return lpb_sqlite_db_set_sql(call, sql);
}

static void start_call(db *d, db_call *call) {
  lp_list_remove(&call->link);
  lpb_sqlite_work_verb verb = call->work.verb;
  bool marks = verb == LPB_SQLITE_WORK_BEGIN || verb == LPB_SQLITE_WORK_COMMIT;
  int rc = marks ? set_transaction_sql(d, call) : 0;
  if (rc < 0) {
    end_call(call, rc);
    next(d);
    return;
  }
  call->work.inside = d->depth > 0;
  if (verb == LPB_SQLITE_WORK_BEGIN) d->owner = call->op.task;
  call->end = lp_loop_now(d->st) + d->timeout;
  d->current = call;
  start_job(d);
}

/* The first call in line that may run now: while a transaction is open, of its task. */
static db_call *pick(db *d) {
  lp_list_each (it, &d->queue) {
    db_call *call = lp_list_of(it, db_call, link);
    if (!d->owner || call->op.task == d->owner) return call;
  }
  return NULL;
}

/* Starts what is next, unless something runs. */
static void next(db *d) {
  if (d->working || d->current) return;
  db_call *call = pick(d);
  bool ends = d->closing && !d->closed && !d->owner && !call;
  if (d->undo >= 0 || !lp_list_empty(&d->released) || ends) {
    lp_list_join(&d->cleaning, &d->released);
    d->undoing = d->undo;
    d->undo = -1;
    d->closed = d->closed || ends;
    start_job(d);
  } else if (call) {
    start_call(d, call);
  }
}

/* ---- calls ---- */

/* A commit that runs is not stopped, and waited for, so that its task knows what came of it;
 * but for a task that is dropped because the runtime closes. */
static void call_cancel(lp_op *op, int why) {
  db_call *call = (db_call *)op;
  db *d = call->db;
  if (d->current == call && d->working) {
    bool commits =
        call->work.verb == LPB_SQLITE_WORK_COMMIT || call->work.verb == LPB_SQLITE_WORK_BATCH;
    if (commits && op->waiting) return;
    lp_op_finish(op, why);
    if (commits) return;
    /* Nobody is in a transaction that is rolled back as soon as it has begun. */
    if (call->work.verb == LPB_SQLITE_WORK_BEGIN && d->depth == 0) d->owner = NULL;
    atomic_store_explicit(&d->work.stop, true, memory_order_relaxed);
    uv_cancel((uv_req_t *)&d->job); /* when no thread has begun it, none will */
    return;
  }
  lp_timer_stop(&d->st->timers, &call->pause);
  lp_list_remove(&call->link);
  if (d->current == call) {
    d->current = NULL;
    count_transaction(d, call); /* the begin of one has failed */
  }
  end_call(call, why);
  next(d);
}

static int call_results(lua_State *L, lp_op *op) {
  db_call *call = (db_call *)op;
  if (op->status < 0) return lp_op_raise(L, op);
  if (call->work.code != 0) return lpb_sqlite_error_raise(L, call->function, &call->work);
  return call->push ? call->push(L, call) : 0;
}

static void call_close(lp_op *op) {
  db_call *call = (db_call *)op;
  if (call->work.statement) lpb_sqlite_db_put_back(call->db, call->work.statement);
  if (call->work.batch) call->work.release(call->work.batch);
  lp_buf_close(&call->work.sql);
  lp_buf_close(&call->work.params.data);
  lp_buf_close(&call->work.rows);
  lp_buf_close(&call->work.names);
  lpb_sqlite_db_release(call->db);
}

static void call_which(const lp_op *op, char *text, size_t size) {
  const lp_buf *sql = &((const db_call *)op)->work.sql;
  snprintf(text, size, "%s", sql->data ? sql->data : "");
}

static const lp_op_class call_class = {.name = "sqlite",
                                       .cancel = call_cancel,
                                       .results = call_results,
                                       .close = call_close,
                                       .which = call_which};

static db_call *make_call(lua_State *L, db *d, lpb_sqlite_work_verb verb,
                          const char *function) {
  db_call *call = lp_op_new(L, &call_class, sizeof *call);
  lp_list_init(&call->link);
  call->db = d;
  lpb_sqlite_db_hold(d);
  call->work.verb = verb;
  call->function = function;
  return call;
}

static bool is_owner(lua_State *L, const db *d) {
  return d->owner && d->owner == lp_state_of(L)->current;
}

db_call *lpb_sqlite_db_call_new(lua_State *L, db *d, lpb_sqlite_work_verb verb,
                                const char *function) {
  if (d->closing && !is_owner(L, d))
    lp_raise(L, "closed", "%s: the database is closed", function);
  return make_call(L, d, verb, function);
}

int lpb_sqlite_db_set_sql(db_call *call, const char *sql) {
  call->work.sql.len = 0;
  return lp_buf_append(&call->work.sql, sql, strlen(sql) + 1);
}

int lpb_sqlite_db_await(lua_State *L, db_call *call, int rc) {
  if (rc < 0) {
    lp_op_finish(&call->op, rc);
  } else {
    lp_op_hold(&call->op);
    lp_list_push(&call->db->queue, &call->link);
    next(call->db);
  }
  return lp_op_await(L, &call->op, -1);
}

/* ---- the connection ---- */

db *lpb_sqlite_db_new(lp_state *st, bool readonly, double timeout) {
  db *d = lp_alloc_new(sizeof *d);
  if (!d) return NULL;
  d->st = st;
  d->loop = st->loop;
  d->readonly = readonly;
  d->timeout = timeout;
  d->undo = -1;
  d->holders = 1;
  lp_list_init(&d->work.idle);
  lp_list_init(&d->queue);
  lp_list_init(&d->released);
  lp_list_init(&d->cleaning);
  lp_list_init(&d->closers);
  return d;
}

void lpb_sqlite_db_drop(db *d) {
  d->closing = true;
  next(d);
  lpb_sqlite_db_release(d);
}

int lpb_sqlite_db_close(lua_State *L, db *d, const char *function) {
  if (is_owner(L, d)) return lp_usage_raise(L, function, "inside a transaction of this task");
  if (d->closed && !d->working) return 0;
  d->closing = true;
  next(d); /* it closes, whether this task can wait for that or is cancelled */
  db_call *call = make_call(L, d, LPB_SQLITE_WORK_EXEC, function);
  lp_op_hold(&call->op);
  lp_list_push(&d->closers, &call->link);
  return lp_op_await(L, &call->op, -1);
}

void lpb_sqlite_db_put_back(db *d, lpb_sqlite_work_statement *statement) {
  lp_list_push(&d->released, &statement->link);
  next(d);
}

void lpb_sqlite_db_undo(lpb_sqlite_db_transaction *transaction) {
  db *d = transaction->db;
  int depth = transaction->depth;
  transaction->depth = 0;
  if (depth == 0 || depth > d->depth) return;
  undo(d, depth);
  if (d->depth == 0) d->owner = NULL;
  next(d);
}
