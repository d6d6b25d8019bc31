/* support/threads.c: a Lua module in C that keeps threads of libuv's pool busy, for tests of
 * what waits for one. They are those of the whole process, whichever loop a job is of. */
#include <lauxlib.h>
#include <uv.h>

int luaopen_threads(lua_State *L);

enum { MOST = 16 };

static uv_loop_t loop;
static uv_work_t jobs[MOST];
static uv_sem_t gate;
static int held;

static void wait_there(uv_work_t *job) {
  (void)job;
  uv_sem_wait(&gate);
}

static void went(uv_work_t *job, int status) {
  (void)job, (void)status;
}

/* threads.hold(n). Of a pool of at most n threads none is free until `release`. */
static int threads_hold(lua_State *L) {
  held = (int)luaL_checkinteger(L, 1);
  luaL_argcheck(L, held > 0 && held <= MOST, 1, "too many");
  uv_loop_init(&loop);
  uv_sem_init(&gate, 0);
  for (int i = 0; i < held; i++) uv_queue_work(&loop, &jobs[i], wait_there, went);
  return 0;
}

/* threads.release(). Once, after `hold`. */
static int threads_release(lua_State *L) {
  (void)L;
  for (int i = 0; i < held; i++) uv_sem_post(&gate);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  uv_sem_destroy(&gate);
  held = 0;
  return 0;
}

int luaopen_threads(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"hold", threads_hold}, {"release", threads_release}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
