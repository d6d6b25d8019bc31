/* worker/worker.c: the process: set up by main's first frame, then frames become jobs, until
 * main says "exit" or is gone. Frames are only recorded when they are read; what touches Lua
 * happens inside a task. Layer: worker. Process: worker. */
#include "runtime/worker/worker.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/ipc/channel.h"
#include "runtime/loop/allow.h"
#include "runtime/loop/dump.h"
#include "runtime/loop/env.h"
#include "runtime/loop/environment.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/task.h"
#include "runtime/sandbox/sandbox.h"
#include "runtime/worker/ask.h"
#include "runtime/worker/job.h"
#include "runtime/wire/wire.h"

enum { AT_ONCE = 64 }; /* jobs that are given back in a message */

typedef enum {
  STARTING, /* not set up: no job may start */
  SERVING,
  LEAVING, /* told to exit, or it could not be set up: what runs ends */
  STOPPED, /* nothing is left to do */
} life;

typedef struct worker {
  life life;
  lp_state state;
  lp_channel channel;
  lp_flush flush;
  lp_jobs jobs;
  lp_asker asker;
  const lp_spawn *spawn;
  char name[64];       /* "worker 1", or the name of a luapool.process */
  uint32_t allowed;    /* the bits of its environment */
  lp_buf setup;        /* the values of LP_MSG_SETUP */
  size_t memory_limit; /* bytes; 0: none */
  uint64_t weighed;    /* when the memory was looked at last, milliseconds of the loop */
  bool worked;         /* it has started a job */
  bool heavy;          /* main has been told that it is above its limit */
  uint64_t received;   /* frames of main */
  bool probed;         /* main wants to know when nothing but it can wake a task */
} worker;

static worker *of(lp_state *st) {
  return lp_list_of(st, worker, state);
}

/* Without memory the worker cannot go on: main runs its tasks elsewhere. */
static void check(int rc) {
  if (rc >= 0) return;
  fprintf(stderr, "luapool: a worker has to end: %s\n", lp_error_text(rc));
  _exit(1);
}

/* ---- speaking ---- */

static void on_flush(lp_flush *f) {
  worker *w = lp_list_of(f, worker, flush);
  lp_ask_flushed(&w->asker);
  lp_channel_flush(&w->channel);
}

static void post(worker *w, uint8_t type, const void *bytes, size_t len) {
  check(lp_frame_append(lp_channel_out(&w->channel), type, bytes, len));
  lp_loop_flush(&w->state, &w->flush);
}

static void check_stopped(worker *w) {
  if (w->life < LEAVING || !lp_list_empty(&w->jobs.running)) return;
  w->life = STOPPED;
  uv_stop(w->state.loop);
}

static void leave(worker *w) {
  if (w->life < LEAVING) w->life = LEAVING;
  check_stopped(w);
}

/* Resident bytes of this process. */
static size_t resident(void) {
  size_t pages = 0;
  FILE *f = fopen("/proc/self/statm", "re");
  if (!f) return 0;
  if (fscanf(f, "%*s %zu", &pages) != 1) pages = 0;
  fclose(f);
  return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Gives back up to so many jobs that are not started. */
static void give_back(worker *w, uint32_t most) {
  lp_buf *out = lp_channel_out(&w->channel);
  check(lp_buf_reserve(out, LP_FRAME_HEAD + most * sizeof(uint64_t)));
  long start = lp_frame_begin(out, LP_MSG_RETURNED);
  uint64_t number;
  while (most-- > 0 && (number = lp_job_give_back(&w->jobs)))
    lp_buf_append(out, &number, sizeof number);
  lp_frame_end(out, start);
  lp_loop_flush(&w->state, &w->flush);
}

/* What Lua holds is known at any time; what libraries hold is only looked at now and then. */
static bool too_heavy(worker *w) {
  enum { EVERY = 20 }; /* milliseconds */
  size_t limit = w->memory_limit;
  if (w->state.heap.used > limit) {
    lua_gc(w->state.L, LUA_GCCOLLECT);
    if (w->state.heap.used > limit) return true;
  }
  uint64_t now = uv_now(w->state.loop);
  if (now < w->weighed + EVERY) return false;
  w->weighed = now;
  return resident() > limit;
}

/* Between tasks, when there has been one: above its limit the worker asks to be replaced, and
 * what it has not started is for others. Says whether it may start a further one. */
static bool weigh(worker *w) {
  if (!w->memory_limit || !w->worked) return true;
  if (!w->heavy && too_heavy(w)) {
    w->heavy = true;
    post(w, LP_MSG_RETIRE, NULL, 0);
  }
  while (w->heavy && !lp_list_empty(&w->jobs.waiting)) give_back(w, AT_ONCE);
  return !w->heavy;
}

/* Returns 0 or LP_ETOO_LARGE: then nothing is said. */
static int post_parts(worker *w, uint8_t type, const void *head, size_t head_len,
                      const void *bytes, size_t len) {
  lp_buf *out = lp_channel_out(&w->channel);
  int rc = lp_frame_append_parts(out, type, head, head_len, bytes, len);
  if (rc != LP_ETOO_LARGE) check(rc);
  lp_loop_flush(&w->state, &w->flush);
  return rc;
}

static void on_answer(lp_jobs *jobs, uint8_t type, uint64_t number, const char *values,
                      size_t len) {
  worker *w = lp_list_of(jobs, worker, jobs);
  if (post_parts(w, type, &number, sizeof number, values, len) < 0) /* too large a result */
    check(post_parts(w, LP_MSG_FAILED, &number, sizeof number, NULL, 0));
}

/* The wire bounds what is asked, so that it fits into a frame. */
static void on_post(lp_asker *a, uint8_t type, const void *head, size_t head_len,
                    const void *bytes, size_t len) {
  check(post_parts(a->owner, type, head, head_len, bytes, len));
}

/* ---- being set up ---- */

static double number_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  double number = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return number;
}

/* Forked processes share addresses and the second, which is all that Lua seeds with. */
static void seed_random(lua_State *L) {
  lua_Integer seed[2] = {0, getpid()};
  ssize_t n = getrandom(seed, sizeof seed, GRND_NONBLOCK);
  (void)n;
  lp_env_get(L, "math");
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, seed[0]);
  lua_pushinteger(L, seed[1]);
  lua_call(L, 2, 0);
  lua_pop(L, 1);
}

/* Those of main's settings that a worker obeys too: the field `settings` of the table at
 * `index`. */
static void pass_on(lua_State *L, int index) {
  lp_env_get(L, "require");
  lua_pushliteral(L, "luapool.internal.settings");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "set");
  lua_getfield(L, index, "settings");
  lua_call(L, 1, 0);
  lua_pop(L, 1);
}

/* What messages and `ps` call this process: `name` is that of a luapool.process, or NULL. */
static void take_name(worker *w, const char *name) {
  if (!name) return;
  snprintf(w->name, sizeof w->name, "%s", name);
  prctl(PR_SET_NAME, name); /* its first 15 bytes */
}

/* Where `require` looks for files, from the table at `index`. */
static void apply_paths(lua_State *L, int index) {
  static const char *const paths[] = {"path", "cpath"};
  lp_environment_push(L, lp_environment_current(L), LP_ENVIRONMENT_PACKAGE);
  for (size_t i = 0; i < 2; i++) {
    lua_getfield(L, index, paths[i]);
    lua_setfield(L, -2, paths[i]);
  }
  lua_pop(L, 1);
}

/* What main has set up, a table at `index`: package.path and cpath, and who we are. */
static void apply_settings(lua_State *L, worker *w, int index) {
  apply_paths(L, index);
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "luapool.core");
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, w->spawn->slot);
  lua_setfield(L, -2, "id");
  lua_pushinteger(L, getpid());
  lua_setfield(L, -2, "pid");
  lua_getfield(L, index, "name");
  take_name(w, lua_tostring(L, -1));
  lua_setfield(L, -2, "name");
  lua_setfield(L, -2, "worker");
  lua_pop(L, 2);
  pass_on(L, index);
  w->jobs.timeout = number_field(L, index, "task_timeout");
  w->memory_limit = (size_t)number_field(L, index, "memory_limit");
  lp_heap_set_limit(&w->state.heap, (size_t)number_field(L, index, "heap_limit"));
}

static int finish_setup(lua_State *L, int status, lua_KContext context) {
  (void)L, (void)status, (void)context;
  return 0;
}

/* The function of the set-up task. The worker's init may wait. */
static int run_setup(lua_State *L) {
  worker *w = of(lp_state_of(L));
  lp_env_get(L, "require");
  lua_pushliteral(L, "luapool.core");
  lua_call(L, 1, 0);
  lp_wire wire = {0};
  lua_settop(L, 0);
  int n = lp_wire_decode(L, &wire, w->setup.data, w->setup.len);
  luaL_checktype(L, 1, LUA_TTABLE);
  apply_settings(L, w, 1);
  seed_random(L);
  if (n < 2 || lua_isnil(L, 2)) return 0;
  lua_callk(L, n - 2, 0, 0, finish_setup);
  return 0;
}

/* Main hears of it before the first job begins: a worker that this one ends at once has not
 * died at start. */
static void set_up(lp_task *t, lua_State *co, int nres) {
  worker *w = lp_task_owner(t, set_up);
  (void)nres;
  if (t->status == LP_TASK_DONE) {
    if (w->life == STARTING) w->life = SERVING;
    post(w, LP_MSG_READY, NULL, 0);
    lp_channel_flush(&w->channel);
    return;
  }
  lp_job_encode_error(&w->jobs, t, co, LUA_NOREF);
  lua_pushnil(co);
  post(w, LP_MSG_BROKEN, w->jobs.scratch.data, w->jobs.scratch.len);
  t->awaited = true;
  leave(w);
}

/* Scripts of a worker whose main is sandboxed run in an environment with the same bits. */
static int spawn_setup(lua_State *L) {
  worker *w = lua_touserdata(L, 1);
  if (w->allowed != LP_ALLOW_ALL) lp_sandbox_share(&w->state, lp_sandbox_new(L, w->allowed));
  lua_pushcfunction(L, run_setup);
  lp_task *t = lp_task_spawn(L, 0);
  lp_task_own(t, set_up, w);
  return 0;
}

/* ---- listening ---- */

static void receive_setup(worker *w, const lp_frame *frame) {
  lua_State *L = w->state.L;
  if (frame->len < sizeof w->allowed) return;
  memcpy(&w->allowed, frame->payload, sizeof w->allowed);
  check(lp_buf_append(&w->setup, (const char *)frame->payload + sizeof w->allowed,
                      frame->len - sizeof w->allowed));
  lua_pushcfunction(L, spawn_setup);
  lua_pushlightuserdata(L, w);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) check(LP_EMEMORY);
}

static void receive_proto(worker *w, const lp_frame *frame) {
  check(lp_job_add_proto(&w->jobs, frame));
}

static void receive_snapshot(worker *w, const lp_frame *frame) {
  check(lp_job_add_function(&w->jobs, frame));
}

static void receive_drop(worker *w, const lp_frame *frame) {
  uint32_t number;
  if (frame->len < sizeof number) return;
  memcpy(&number, frame->payload, sizeof number);
  lp_job_drop_function(&w->jobs, number);
}

static void receive_task(worker *w, const lp_frame *frame) {
  if (w->life < LEAVING) check(lp_job_add(&w->jobs, frame));
}

static void receive_cancel(worker *w, const lp_frame *frame) {
  uint64_t number;
  if (frame->len < sizeof number) return;
  memcpy(&number, frame->payload, sizeof number);
  lp_job_cancel(&w->jobs, number);
}

static void receive_recall(worker *w, const lp_frame *frame) {
  uint32_t most;
  if (frame->len < sizeof most) return;
  memcpy(&most, frame->payload, sizeof most);
  give_back(w, most);
}

static void receive_probe(worker *w, const lp_frame *frame) {
  (void)frame;
  w->probed = true;
}

static void receive_answer(worker *w, const lp_frame *frame) {
  check(lp_ask_answered(&w->asker, frame));
}

static void receive_ahead(worker *w, const lp_frame *frame) {
  check(lp_ask_ahead(&w->asker, frame));
}

static void receive_exit(worker *w, const lp_frame *frame) {
  (void)frame;
  lp_job_cancel_all(&w->jobs);
  leave(w);
}

/* Stack: the worker. */
static int write_dump(lua_State *L) {
  const worker *w = lua_touserdata(L, 1);
  lp_dump_push(L);
  fprintf(stderr, "luapool: %s (process %d):\n%s", w->name, getpid(), lua_tostring(L, 2));
  return 0;
}

static void receive_dump(worker *w, const lp_frame *frame) {
  lua_State *L = w->state.L;
  (void)frame;
  lua_pushcfunction(L, write_dump);
  lua_pushlightuserdata(L, w);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1); /* no memory for it */
}

static void on_frame(lp_channel *c, const lp_frame *frame) {
  static void (*const hear[])(worker *, const lp_frame *) = {
      [LP_MSG_SETUP] = receive_setup,       [LP_MSG_PROTO] = receive_proto,
      [LP_MSG_SNAPSHOT] = receive_snapshot, [LP_MSG_DROP] = receive_drop,
      [LP_MSG_TASK] = receive_task,         [LP_MSG_CANCEL] = receive_cancel,
      [LP_MSG_RECALL] = receive_recall,     [LP_MSG_EXIT] = receive_exit,
      [LP_MSG_ANSWER] = receive_answer,     [LP_MSG_DUMP] = receive_dump,
      [LP_MSG_PROBE] = receive_probe,       [LP_MSG_AHEAD] = receive_ahead,
  };
  bool known = frame->type < sizeof hear / sizeof *hear && hear[frame->type];
  worker *w = c->owner;
  w->received++;
  if (known) hear[frame->type](w, frame);
}

/* Main is gone: nobody wants what is being done here. */
static void on_main_gone(lp_channel *c, int status) {
  (void)c, (void)status;
  _exit(1);
}

static bool start_more(lp_state *st) {
  worker *w = of(st);
  bool started = w->life == SERVING && weigh(w) && lp_job_start(&w->jobs);
  w->worked = w->worked || started;
  if (!started) check_stopped(w);
  return started;
}

/* ---- the process ---- */

/* Main reads our stdout and stderr. */
static void write_text(lp_state *st, int kind, const char *bytes, size_t len) {
  FILE *stream = kind == LP_TEXT_OUT ? stdout : stderr;
  bool is_ours = kind == LP_TEXT_ERROR || kind == LP_TEXT_WARNING;
  const char *title = kind == LP_TEXT_WARNING ? "warning: " : "";
  if (is_ours) fprintf(stderr, "luapool: %s: %s", of(st)->name, title);
  fwrite(bytes, 1, len, stream);
  if (kind > LP_TEXT_ERR) putc('\n', stream);
  if (len == 0) fflush(stream);
}

static int open_page(worker *w) {
  w->asker.shared = lp_spawn_map(w->spawn->page, sizeof(lp_shared));
  close(w->spawn->page);
  if (!w->asker.shared) return LP_EMEMORY;
  w->state.on_cpu = &w->asker.shared->on_cpu;
  w->jobs.started = &w->asker.shared->started;
  return 0;
}

static int open_worker(worker *w, lua_CFunction modules) {
  static const lp_channel_events events = {.frame = on_frame, .ended = on_main_gone};
  int rc = lp_state_open(&w->state, &(lp_state_options){.modules = modules});
  if (rc < 0) return rc;
  lp_job_open(&w->jobs, &w->state);
  w->jobs.answer = on_answer;
  lp_ask_open(&w->asker, &w->state);
  w->asker.post = on_post;
  w->asker.owner = w;
  w->state.text = write_text;
  w->state.more = start_more;
  w->state.late = lp_job_late;
  lp_list_init(&w->flush.link);
  w->flush.run = on_flush;
  if ((rc = open_page(w)) < 0) return rc;
  return lp_channel_open(&w->channel, w->state.loop, w->spawn->channel, &events, w);
}

static void close_worker(worker *w) {
  lp_channel_drain(&w->channel);
  lp_channel_close(&w->channel, NULL);
  lp_ask_close(&w->asker);
  lp_state_close(&w->state);
  lp_job_close(&w->jobs);
  lp_buf_close(&w->setup);
}

/* The channel alone does not keep the loop alive: then all tasks wait for main. */
static void post_stalled(worker *w) {
  bool startable = w->life == SERVING && !lp_list_empty(&w->jobs.waiting);
  if (!w->probed || startable || w->life >= LEAVING) return;
  w->probed = false;
  post(w, LP_MSG_STALLED, &w->received, sizeof w->received);
}

static void serve(worker *w) {
  uv_loop_t *loop = w->state.loop;
  lp_channel_ref(&w->channel, false);
  while (w->life != STOPPED) {
    if (uv_run(loop, UV_RUN_DEFAULT)) continue;
    post_stalled(w);
    lp_channel_ref(&w->channel, true);
    if (w->life != STOPPED) uv_run(loop, UV_RUN_ONCE);
    lp_channel_ref(&w->channel, false);
  }
}

int lp_worker_run(const lp_spawn *spawn, lua_CFunction modules) {
  static worker w; /* one a process; not on the stack, whose depth is Lua's */
  w.spawn = spawn;
  snprintf(w.name, sizeof w.name, "worker %u", spawn->slot);
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  check(open_worker(&w, modules));
  serve(&w);
  close_worker(&w);
  return fflush(stdout) == 0 ? 0 : 1;
}
