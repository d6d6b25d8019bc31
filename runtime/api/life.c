/* api/life.c: a runtime opens and closes. Layer: api. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/api.h"
#include "runtime/api/env.h"
#include "runtime/api/lua.h"
#include "runtime/api/modules.h"
#include "runtime/api/program.h"
#include "runtime/api/ref.h"
#include "runtime/base/alloc.h"
#include "runtime/base/error.h"
#include "runtime/counted/counted.h"
#include "runtime/ipc/forkproc.h"
#include "runtime/loop/interrupt.h"
#include "runtime/pool/fleet.h"
#include "runtime/worker/worker.h"

_Static_assert(LUAPOOL_TEXT_OUT == LP_TEXT_OUT && LUAPOOL_TEXT_WARNING == LP_TEXT_WARNING,
               "kinds of texts are passed on");

static void hand_text(lp_state *st, int kind, const char *bytes, size_t len) {
  const luapool_options *o = &lp_api_of(st)->options;
  o->text(o->user, kind, bytes, len);
}

static void limit(lp_state *st, int code, lp_task *t, const char *traceback) {
  luapool *rt = lp_api_of(st);
  luapool_task *ref = t ? lp_ref_of(t) : NULL;
  if (rt->options.limit) rt->options.limit(rt->options.user, lp_api_code(code), ref, traceback);
}

/* A host that was compiled with an older header has fewer fields, one with a newer header more:
 * those must be 0. */
static int take_options(luapool_options *to, const luapool_options *from) {
  if (!from) {
    *to = (luapool_options)LUAPOOL_OPTIONS;
    return LUAPOOL_OK;
  }
  if (from->size < offsetof(luapool_options, alloc)) return LUAPOOL_EARGUMENT;
  for (size_t i = sizeof *to; i < from->size; i++)
    if (((const char *)from)[i] != 0) return LUAPOOL_EARGUMENT;
  memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
  to->size = sizeof *to;
  return LUAPOOL_OK;
}

static void close_part(lp_part *part) {
  luapool *rt = lp_list_of(part, luapool, part);
  lp_ref_detach_all(rt);
  lp_env_detach_all(rt);
}

static const lp_part_class class = {.close = close_part};

luapool *lp_life_find(lp_state *st) {
  lp_part *part = lp_part_find(st, &class);
  return part ? lp_list_of(part, luapool, part) : NULL;
}

static int open_parts(luapool *rt) {
  const luapool_options *o = &rt->options;
  rt->mailbox = rt->state.mailbox;
  lp_part_add(&rt->state, &rt->part, &class);
  int rc =
      lp_fleet_open(&rt->state, o->forkserver, o->program ? o->program : lp_program_find());
  if (rc == 0) rc = lp_interrupt_open(&rt->state, o->signal);
  return rc == 0 ? lp_env_share(rt) : rc;
}

static lp_limits limits_of(const luapool_options *o) {
  return (lp_limits){.memory = o->memory,
                     .tasks = o->tasks,
                     .task_us = o->task_us,
                     .block_us = o->block_us,
                     .slice_us = o->slice_us,
                     .stack = o->stack};
}

/* Protected. */
static int open_counted(lua_State *L) {
  lp_counted_open(L);
  return 0;
}

/* No function of the standard library runs beyond a budget. A state of the host keeps its own.
 */
static int count_steps(luapool *rt) {
  const lp_limits *limits = &rt->state.limits;
  lua_State *L = rt->state.L;
  if (rt->state.attached || !(limits->task_us || limits->block_us)) return 0;
  lua_pushcfunction(L, open_counted);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK) return 0;
  lua_pop(L, 1);
  return LP_EMEMORY;
}

enum { CLOSE_US = 100000 };

static int fail_core(int code) {
  return lp_api_fail_open(lp_api_code(code), lp_error_text(code));
}

static int fail_strange(const char *library) {
  char text[256];
  snprintf(text, sizeof text,
           "the functions of Lua come from %s, which is linked before Lua 5.4 and is another",
           library);
  return lp_api_fail_open(LUAPOOL_ELUA, text);
}

static int open_on(luapool **out, lua_State *L, uv_loop_t *loop,
                   const luapool_options *options) {
  *out = NULL;
  const char *stranger = lp_lua_stranger();
  if (stranger) return fail_strange(stranger);
  luapool *rt = lp_alloc_new(sizeof *rt);
  if (!rt) return fail_core(LP_EMEMORY);
  lp_list_init(&rt->tasks);
  lp_list_init(&rt->environments);
  int rc = take_options(&rt->options, options);
  if (rc < 0) {
    lp_api_fail_open(rc, "the options have a size or a field that this library does not know");
    goto fail;
  }
  const luapool_options *o = &rt->options;
  lp_state_options core = {.loop = loop,
                           .L = L,
                           .alloc = o->alloc,
                           .modules = lp_modules_open,
                           .clock = o->clock,
                           .user = o->user,
                           .seed = o->seed,
                           .close_us = o->close_us > 0 ? o->close_us : CLOSE_US};
  rc = lp_state_open(&rt->state, &core);
  if (rc == 0) {
    if (o->text) rt->state.text = hand_text;
    rt->state.limit = limit;
    rt->state.limits = limits_of(o);
    lp_heap_set_limit(&rt->state.heap, o->memory);
    rc = open_parts(rt);
    if (rc == 0) rc = count_steps(rt);
  }
  if (rc < 0) {
    rc = fail_core(rc);
    goto fail;
  }
  *out = rt;
  return lp_api_fail_open(LUAPOOL_OK, "");
fail:
  lp_state_close(&rt->state);
  lp_alloc_free(rt);
  return rc;
}

int luapool_open(luapool **rt, const luapool_options *options) {
  return open_on(rt, NULL, NULL, options);
}

int luapool_attach(luapool **rt, lua_State *L, uv_loop_t *loop,
                   const luapool_options *options) {
  return open_on(rt, L, loop, options);
}

int luapool_close(luapool *rt) {
  if (!rt) return LUAPOOL_OK;
  int rc = lp_api_begin_outside(rt);
  if (rc < 0) return rc;
  lp_state_close(&rt->state);
  lp_alloc_free(rt->error);
  lp_alloc_free(rt);
  return LUAPOOL_OK;
}

/* What runs in a worker, wherever it was forked. */
static int worker_main(const lp_spawn *spawn) {
  return lp_worker_run(spawn, lp_modules_open);
}

int luapool_fork(void) {
  int handle = lp_forkproc_fork(worker_main);
  return handle < 0 ? LUAPOOL_ESYSTEM : handle;
}

void luapool_unfork(int forkserver) {
  lp_forkproc_end(forkserver);
}

int luapool_serve(void) {
  return lp_forkproc_serve(3, worker_main);
}
