/* worker/job.c: running one call in a worker.
 *
 * A job's arguments are decoded and its results encoded inside its own task, so that what goes
 * wrong there is that job's error and nobody else's. Layer: worker. Process: worker. */
#include "runtime/worker/job.h"

#include <lauxlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/base/grace.h"
#include "runtime/loop/guard.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/wire/wire.h"

enum { MOST_SCRATCH = 1 << 20 }; /* bytes kept between answers */

void lp_job_open(lp_jobs *jobs, lp_state *st) {
  jobs->st = st;
  lp_list_init(&jobs->waiting);
  lp_list_init(&jobs->running);
  lp_list_init(&jobs->functions);
  lp_list_init(&jobs->protos);
}

/* ---- what has come ---- */

int lp_job_add(lp_jobs *jobs, const lp_frame *frame) {
  size_t head = sizeof(lp_task_head);
  if (frame->len < head) return 0;
  lp_job *job = lp_alloc_new(sizeof *job + frame->len - head);
  if (!job) return LP_EMEMORY;
  job->jobs = jobs;
  job->graph = LUA_NOREF;
  job->turn = ++jobs->turns;
  job->len = frame->len - head;
  memcpy(&job->head, frame->payload, head);
  memcpy(job->bytes, frame->payload + head, job->len);
  lp_list_push(&jobs->waiting, &job->link);
  return 0;
}

int lp_job_add_proto(lp_jobs *jobs, const lp_frame *frame) {
  if (frame->len < sizeof(uint32_t)) return 0;
  lp_proto *p = lp_alloc_new(sizeof *p + frame->len);
  if (!p) return LP_EMEMORY;
  p->len = frame->len - sizeof p->number;
  memcpy(&p->number, frame->payload, sizeof p->number);
  memcpy(p->bytes, frame->payload + sizeof p->number, p->len);
  lp_list_push(&jobs->protos, &p->link);
  return 0;
}

int lp_job_add_function(lp_jobs *jobs, const lp_frame *frame) {
  if (frame->len < sizeof(uint32_t)) return 0;
  lp_function *f = lp_alloc_new(sizeof *f + frame->len);
  if (!f) return LP_EMEMORY;
  f->function = f->graph = LUA_NOREF;
  f->len = frame->len - sizeof f->number;
  memcpy(&f->number, frame->payload, sizeof f->number);
  memcpy(f->bytes, frame->payload + sizeof f->number, f->len);
  lp_list_push(&jobs->functions, &f->link);
  return 0;
}

static lp_function *find_function(lp_jobs *jobs, uint32_t number) {
  lp_list_each (link, &jobs->functions) {
    lp_function *f = lp_list_of(link, lp_function, link);
    if (f->number == number) return f;
  }
  return NULL;
}

void lp_job_drop_function(lp_jobs *jobs, uint32_t number) {
  lp_function *f = find_function(jobs, number);
  if (!f) return;
  luaL_unref(jobs->st->L, LUA_REGISTRYINDEX, f->function);
  luaL_unref(jobs->st->L, LUA_REGISTRYINDEX, f->graph);
  lp_list_remove(&f->link);
  lp_alloc_free(f);
}

/* ---- running ---- */

void lp_job_learn(lua_State *L, lp_jobs *jobs) {
  while (!lp_list_empty(&jobs->protos)) {
    lp_proto *p = lp_list_of(jobs->protos.next, lp_proto, link);
    lp_wire_learn(L, p->number, p->bytes, p->len);
    lp_list_remove(&p->link);
    lp_alloc_free(p);
  }
}

static void decode_function(lua_State *L, lp_function *f) {
  lp_wire_graph(L);
  lp_wire wire = {.known = lua_gettop(L), .record = 1, .no_bytecode = 1};
  if (lp_wire_decode(L, &wire, f->bytes, f->len) != 1)
    lp_raise_code(L, LP_ECORRUPT, "the function of a task");
  lua_insert(L, -2);
  luaL_unref(L, LUA_REGISTRYINDEX, f->graph); /* of a time when memory was short */
  f->graph = luaL_ref(L, LUA_REGISTRYINDEX);
  f->function = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Pushes the graph, the function and the arguments. Returns how many arguments. */
static int push_call(lua_State *L, lp_job *job) {
  if (!job->head.snapshot) {
    lp_wire_graph(L);
    lua_pushvalue(L, -1);
    job->graph = luaL_ref(L, LUA_REGISTRYINDEX);
    lp_wire wire = {.known = lua_gettop(L), .record = 1, .no_bytecode = 1};
    return lp_wire_decode(L, &wire, job->bytes, job->len) - 1;
  }
  lp_function *f = find_function(job->jobs, job->head.snapshot);
  if (!f) return lp_raise_code(L, LP_ECORRUPT, "the function of a task");
  if (f->function == LUA_NOREF) decode_function(L, f);
  lua_rawgeti(L, LUA_REGISTRYINDEX, f->graph);
  lua_rawgeti(L, LUA_REGISTRYINDEX, f->function);
  lp_wire wire = {.known = lua_gettop(L) - 1, .no_bytecode = 1};
  return lp_wire_decode(L, &wire, job->bytes, job->len);
}

static void trim(lp_buf *scratch) {
  if (scratch->cap > MOST_SCRATCH) lp_buf_close(scratch);
}

/* Stack: the job, the graph, the results. */
static int finish_call(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  lp_job *job = lua_touserdata(L, 1);
  lp_jobs *jobs = job->jobs;
  lp_wire wire = {.known = 2, .noun = "result"};
  jobs->scratch.len = 0;
  lp_wire_encode(L, &wire, 3, lua_gettop(L) - 2, &jobs->scratch);
  jobs->answer(jobs, LP_MSG_DONE, job->head.number, jobs->scratch.data, jobs->scratch.len);
  trim(&jobs->scratch);
  return 0;
}

/* The function of a job's task. Stack: the job (light). */
static int run(lua_State *L) {
  lp_job *job = lua_touserdata(L, 1);
  lp_job_learn(L, job->jobs);
  int nargs = push_call(L, job);
  lua_callk(L, nargs, LUA_MULTRET, 0, finish_call);
  return finish_call(L, LUA_OK, 0);
}

/* Protected. Stack: the jobs (light), error, traceback, graph or nil. */
static int encode_pair(lua_State *L) {
  lp_jobs *jobs = lua_touserdata(L, 1);
  lp_raise_explain(L, 2);
  lp_wire wire = {.known = lua_istable(L, 4) ? 4 : 0, .noun = "error"};
  jobs->scratch.len = 0;
  lp_wire_encode(L, &wire, 2, 2, &jobs->scratch);
  return 0;
}

/* Protected, with the same stack: an error that cannot travel goes as its text. */
static int encode_text(lua_State *L) {
  lp_guard_tostring(L, 2);
  lua_replace(L, 2);
  return encode_pair(L);
}

static bool try_encode(lua_State *L, lua_CFunction encode) {
  lua_pushcfunction(L, encode);
  for (int i = 0; i < 4; i++) lua_pushvalue(L, -5);
  if (lua_pcall(L, 4, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  return false;
}

static void push_trace(lua_State *L, lp_task *t) {
  if (lp_raise_kind(L, -1)) {
    lua_pushliteral(L, "traceback");
    lua_rawget(L, -2);
    return;
  }
  lp_task_push(L, t);
  lua_pushnil(L);
  if (lp_task_field(L, -2, LP_TASK_TRACE) == LUA_TTABLE) {
    lua_rawgeti(L, -1, 2);
    lua_replace(L, -3);
  }
  lua_pop(L, 1);
  lua_remove(L, -2);
}

void lp_job_encode_error(lp_jobs *jobs, lp_task *t, lua_State *co, int graph) {
  lua_State *L = jobs->st->L;
  lua_pushlightuserdata(L, jobs);
  lua_xmove(co, L, 1);
  push_trace(L, t);
  lua_rawgeti(L, LUA_REGISTRYINDEX, graph);
  if (!try_encode(L, encode_pair) && !try_encode(L, encode_text)) jobs->scratch.len = 0;
  lua_pop(L, 4);
}

static int graph_of(const lp_job *job) {
  if (!job->head.snapshot) return job->graph;
  lp_function *f = find_function(job->jobs, job->head.snapshot);
  return f ? f->graph : LUA_NOREF;
}

static void free_job(lp_job *job) {
  lp_timer_stop(&job->jobs->st->timers, &job->timer);
  luaL_unref(job->jobs->st->L, LUA_REGISTRYINDEX, job->graph);
  lp_list_remove(&job->link);
  lp_alloc_free(job);
}

static void answer_cancelled(lp_job *job) {
  job->jobs->answer(job->jobs, LP_MSG_CANCELLED, job->head.number, NULL, 0);
}

static void on_end(lp_task *t, lua_State *co, int nres) {
  (void)nres;
  lp_job *job = lp_task_owner(t, on_end);
  lp_jobs *jobs = job->jobs;
  if (t->status == LP_TASK_CANCELLED || (job->cancelled && t->status == LP_TASK_FAILED)) {
    answer_cancelled(job);
  } else if (t->status == LP_TASK_FAILED) {
    lp_job_encode_error(jobs, t, co, graph_of(job));
    lua_pushnil(co); /* the error has been moved; the task has one result */
    jobs->answer(jobs, LP_MSG_FAILED, job->head.number, jobs->scratch.data, jobs->scratch.len);
    trim(&jobs->scratch);
  }
  t->awaited = true;
  free_job(job);
}

static void on_timeout(lp_timer *t) {
  lp_task_close_expired(lp_list_of(t, lp_job, timer)->task);
}

bool lp_job_late(lp_state *st) {
  lp_task *t = st->current;
  const lp_job *job = lp_task_owner(t, on_end);
  if (!job || t->expired) return t->expired;
  if (lp_timer_due(&st->timers, &job->timer) > lp_loop_clock(st)) return false;
  lp_task_close_expired(t);
  return true;
}

static int spawn(lua_State *L) {
  lp_job *job = lua_touserdata(L, 1);
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, job);
  job->task = lp_task_spawn(L, 1);
  job->task->number = job->head.number;
  job->task->attempt = job->head.attempt;
  lp_task_own(job->task, on_end, job);
  job->timer.fire = on_timeout;
  double timeout = job->jobs->timeout;
  if (timeout > 0) lp_loop_after(job->jobs->st, &job->timer, timeout);
  return 0;
}

bool lp_job_start(lp_jobs *jobs) {
  lua_State *L = jobs->st->L;
  lp_list *link = lp_list_shift(&jobs->waiting);
  if (!link) return false;
  lp_job *job = lp_list_of(link, lp_job, link);
  lp_list_push(&jobs->running, link);
  *jobs->started = job->turn;
  lua_pushcfunction(L, spawn);
  lua_pushlightuserdata(L, job);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  lua_pop(L, 1);
  jobs->answer(jobs, LP_MSG_FAILED, job->head.number, NULL, 0);
  free_job(job);
  return true;
}

/* ---- the end ---- */

static void cancel_waiting(lp_job *job) {
  answer_cancelled(job);
  free_job(job);
}

/* One that does not wait never learns of it, and is closed after `grace` milliseconds. */
static void cancel_running(lp_job *job, int grace) {
  job->cancelled = true;
  lp_loop_after(job->jobs->st, &job->timer, lp_grace_seconds(grace));
  lp_task_stop(job->task);
}

uint64_t lp_job_give_back(lp_jobs *jobs) {
  if (lp_list_empty(&jobs->waiting)) return 0;
  lp_job *job = lp_list_of(jobs->waiting.prev, lp_job, link);
  uint64_t number = job->head.number;
  free_job(job);
  return number;
}

void lp_job_cancel(lp_jobs *jobs, uint64_t number) {
  lp_list_each (link, &jobs->waiting) {
    lp_job *job = lp_list_of(link, lp_job, link);
    if (job->head.number == number) cancel_waiting(job);
  }
  lp_list_each (it, &jobs->running) {
    lp_job *job = lp_list_of(it, lp_job, link);
    if (job->head.number == number) cancel_running(job, LP_GRACE_TASK);
  }
}

void lp_job_cancel_all(lp_jobs *jobs) {
  while (!lp_list_empty(&jobs->waiting))
    cancel_waiting(lp_list_of(jobs->waiting.next, lp_job, link));
  lp_list_each (link, &jobs->running)
    cancel_running(lp_list_of(link, lp_job, link), LP_GRACE_LAST);
}

static void free_list(lp_list *list, size_t offset) {
  for (lp_list *link; (link = lp_list_shift(list));) lp_alloc_free((char *)link - offset);
}

void lp_job_close(lp_jobs *jobs) {
  free_list(&jobs->waiting, offsetof(lp_job, link));
  free_list(&jobs->running, offsetof(lp_job, link));
  free_list(&jobs->functions, offsetof(lp_function, link));
  free_list(&jobs->protos, offsetof(lp_proto, link));
  lp_buf_close(&jobs->scratch);
}
