/* api/ref.c: what a host sees of a task. Layer: api. */
#include "runtime/api/ref.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <string.h>

#include "runtime/api/value.h"
#include "runtime/base/alloc.h"
#include "runtime/loop/task.h"

struct luapool_task {
  /* It cancels the task, or frees the reference, in the thread that holds the runtime. */
  lp_mail mail;
  /* The host's, and that of a mail on its way. */
  atomic_uint holders;
  /* A cancellation is on its way, or has been made. */
  atomic_bool cancelling;
  /* In luapool.tasks. */
  lp_list link;
  /* NULL once the runtime is closed. */
  luapool *rt;
  lp_mailbox *mailbox;
  /* NULL before it begins and once it has ended. */
  lp_task *task;
  /* MORE, OK or the code that it failed with. */
  int status;
  /* How many results there are. */
  int count;
  /* Registry reference of a list of the results, or of the error, or LUA_NOREF. */
  int values;
  /* The text of its error, or NULL. */
  char *error;
  void (*ended)(void *user, luapool_task *task);
  void *user;
};

luapool_task *lp_ref_new(luapool *rt) {
  luapool_task *ref = lp_alloc_new(sizeof *ref);
  if (!ref) return NULL;
  atomic_init(&ref->holders, 1);
  ref->rt = rt;
  ref->mailbox = rt->mailbox;
  lp_mailbox_hold(ref->mailbox);
  ref->status = LUAPOOL_MORE;
  ref->values = LUA_NOREF;
  lp_list_push(&rt->tasks, &ref->link);
  return ref;
}

/* ---- the end of a task ---- */

/* Protected. Stack: the reference (light), the error. Leaves the text. */
static int describe(lua_State *L) {
  luapool_task *ref = lua_touserdata(L, 1);
  lp_task_push(L, ref->task);
  lua_pushvalue(L, 2);
  lp_task_error_describe(L, 3);
  return 1;
}

static void keep_error(luapool_task *ref) {
  lua_State *L = ref->rt->state.L;
  lua_pushcfunction(L, describe);
  lua_pushlightuserdata(L, ref);
  lua_pushvalue(L, -3);
  const char *text = lua_pcall(L, 2, 1, 0) == LUA_OK ? lua_tostring(L, -1) : NULL;
  ref->error = text ? lp_alloc_new(strlen(text) + 1) : NULL;
  if (ref->error) strcpy(ref->error, text);
  lua_pop(L, 1);
}

/* Protected. Stack: the reference (light), values. Keeps them in a list. */
static int keep(lua_State *L) {
  luapool_task *ref = lua_touserdata(L, 1);
  int n = lua_gettop(L) - 1;
  lua_createtable(L, n, 0);
  lua_insert(L, 2);
  for (int i = n; i >= 1; i--) lua_rawseti(L, 2, i);
  ref->values = luaL_ref(L, LUA_REGISTRYINDEX);
  return 0;
}

/* Keeps copies of the n values on top of the task's coroutine. */
static int keep_values(luapool_task *ref, lua_State *co, int n) {
  lua_State *L = ref->rt->state.L;
  if (!lua_checkstack(L, n + 4) || !lua_checkstack(co, n)) return LUA_ERRMEM;
  lua_pushcfunction(L, keep);
  lua_pushlightuserdata(L, ref);
  for (int i = 0; i < n; i++) lua_pushvalue(co, -n);
  lua_xmove(co, L, n);
  int rc = lua_pcall(L, n + 1, 0, 0);
  if (rc != LUA_OK) lua_pop(L, 1);
  return rc;
}

static void fail(luapool_task *ref, lua_State *co) {
  lua_State *L = ref->rt->state.L;
  ref->status = lp_api_code_of_error(co, -1);
  lua_pushvalue(co, -1);
  lua_xmove(co, L, 1);
  keep_error(ref);
  lua_pop(L, 1);
  keep_values(ref, co, 1);
}

static void release_one(luapool_task *ref);

/* The callback may release the reference. */
static void tell(luapool_task *ref) {
  if (!ref->ended) return;
  void (*ended)(void *, luapool_task *) = ref->ended;
  ref->ended = NULL;
  atomic_fetch_add(&ref->holders, 1);
  ended(ref->user, ref);
  release_one(ref);
}

/* Called at the task's end. */
static void on_end(lp_task *t, lua_State *co, int nres) {
  luapool_task *ref = lp_task_owner(t, on_end);
  luapool *rt = ref->rt;
  t->awaited = true;
  if (t->status == LP_TASK_DONE) {
    ref->status = LUAPOOL_OK;
    ref->count = nres;
    if (nres > 0 && keep_values(ref, co, nres) != LUA_OK) ref->status = LUAPOOL_EMEMORY;
  } else {
    fail(ref, co);
  }
  ref->task = NULL;
  if (rt->until == ref) uv_stop(rt->state.loop);
  tell(ref);
}

void lp_ref_follow(luapool_task *ref, lp_task *t) {
  lp_task_own(t, on_end, ref);
  ref->task = t;
}

void lp_ref_spawn(lua_State *L, luapool_task *ref, int n) {
  lp_task *t = lp_task_spawn(L, n);
  if (ref) lp_ref_follow(ref, t);
}

bool lp_ref_is_alive(const luapool_task *ref) {
  return ref->status == LUAPOOL_MORE;
}

luapool *lp_ref_runtime(const luapool_task *ref) {
  return ref->rt;
}

luapool_task *lp_ref_of(lp_task *t) {
  return lp_task_owner(t, on_end);
}

/* ---- the end of a reference ---- */

/* Lets go of the task, which runs on, and of its results. */
static void detach(luapool_task *ref) {
  if (ref->task) lp_task_own(ref->task, NULL, NULL);
  ref->task = NULL;
  if (ref->rt && ref->rt->state.L) luaL_unref(ref->rt->state.L, LUA_REGISTRYINDEX, ref->values);
  ref->values = LUA_NOREF;
  ref->count = 0;
  ref->rt = NULL;
  lp_list_remove(&ref->link);
}

void lp_ref_free(luapool_task *ref) {
  if (!ref) return;
  detach(ref);
  lp_mailbox_release(ref->mailbox);
  lp_alloc_free(ref->error);
  lp_alloc_free(ref);
}

void lp_ref_detach_all(luapool *rt) {
  lp_list_each (link, &rt->tasks) {
    luapool_task *ref = lp_list_of(link, luapool_task, link);
    if (lp_ref_is_alive(ref)) ref->status = LUAPOOL_ECANCELLED;
    detach(ref);
  }
}

static void run_free(lp_mail *m) {
  lp_ref_free(lp_list_of(m, luapool_task, mail));
}

/* The last holder has the reference freed in the thread that holds the runtime. When that is
 * closed nobody else has the reference any more. */
static void release_one(luapool_task *ref) {
  if (atomic_fetch_sub(&ref->holders, 1) > 1) return;
  ref->mail.run = run_free;
  if (!lp_mailbox_post(ref->mailbox, &ref->mail)) lp_ref_free(ref);
}

void luapool_task_release(luapool_task *ref) {
  if (ref) release_one(ref);
}

static void run_cancel(lp_mail *m) {
  luapool_task *ref = lp_list_of(m, luapool_task, mail);
  if (ref->task) lp_task_stop(ref->task);
  release_one(ref);
}

/* The mail is sent once: whoever has been cancelled stays so. */
void luapool_task_cancel(luapool_task *ref) {
  if (!ref || atomic_exchange(&ref->cancelling, true)) return;
  atomic_fetch_add(&ref->holders, 1);
  ref->mail.run = run_cancel;
  if (!lp_mailbox_post(ref->mailbox, &ref->mail)) release_one(ref);
}

/* ---- what the host asks ---- */

int luapool_task_status(luapool_task *ref) {
  return ref->status;
}

const char *luapool_task_error(luapool_task *ref) {
  if (ref->status >= 0) return "";
  return ref->error ? ref->error : "not enough memory for the text of the error";
}

int luapool_task_result(luapool_task *ref, int i, luapool_value *value) {
  if (value) memset(value, 0, sizeof *value);
  if (ref->status < 0) return ref->status;
  if (!value || i < 0 || i >= ref->count || !ref->rt) return ref->count;
  lua_State *L = ref->rt->state.L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref->values);
  lua_rawgeti(L, -1, i + 1);
  lp_value_get(L, -1, value); /* the list keeps a string alive */
  lua_pop(L, 2);
  return ref->count;
}

int luapool_task_watch(luapool_task *ref, void (*ended)(void *user, luapool_task *task),
                       void *user) {
  if (ref->ended || !ended) return LUAPOOL_EARGUMENT;
  ref->ended = ended;
  ref->user = user;
  if (!lp_ref_is_alive(ref)) tell(ref);
  return LUAPOOL_OK;
}

/* Pushes the values of the list on top, which it replaces. Returns how many. */
static int unpack(lua_State *L, int n) {
  luaL_checkstack(L, n + 1, "too many results");
  int list = lua_gettop(L);
  for (int i = 1; i <= n; i++) lua_rawgeti(L, list, i);
  lua_remove(L, list);
  return n;
}

int luapool_results(luapool_task *ref, lua_State *L) {
  if (ref->values == LUA_NOREF || !ref->rt) { /* none, or no memory to keep them */
    if (ref->status < 0) lua_pushstring(L, luapool_task_error(ref));
    return ref->status < 0 ? ref->status : 0;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref->values);
  if (ref->status >= 0) return unpack(L, ref->count);
  unpack(L, 1);
  return ref->status;
}
