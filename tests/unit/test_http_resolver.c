/* libcurl looks names up itself when a redirection leads to another host, in a thread that it
 * makes: a request that is cancelled meanwhile must not make the loop wait for that thread. The
 * resolver here does not answer before the test lets it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <lauxlib.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "runtime/loop/state.h"
#include "runtime/loop/task.h"
#include "runtime/luapool_modules.h"
#include "tests/support/clean.h"

static sem_t answer;
static atomic_bool asked, late, answered;

typedef int resolver(const char *, const char *, const struct addrinfo *, struct addrinfo **);

#define EXPORTED __attribute__((visibility("default")))

/* In place of the C library's, for libcurl too. */
EXPORTED int getaddrinfo(const char *restrict name, const char *restrict service,
                         const struct addrinfo *restrict hints,
                         struct addrinfo **restrict list) {
  if (!name || strcmp(name, "elsewhere.test") != 0) {
    resolver *real = NULL;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, list);
  }
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 20;
  asked = true;
  late = sem_timedwait(&answer, &limit) < 0;
  answered = true;
  return EAI_NONAME;
}

static const char script[] =
    "local http, task = require 'luapool.http', require 'luapool.task'\n"
    "local server = require('luapool.internal.socket').tcp4()\n"
    "assert(server:bind('127.0.0.1', 0) and server:listen())\n"
    "local _, port = server:getsockname()\n"
    "task.spawn(function()\n"
    "  local client = server:accept()\n"
    "  repeat until client:receive '*l' == ''\n"
    "  client:send 'HTTP/1.1 302 Found\\r\\nLocation: http://elsewhere.test/\\r\\n'\n"
    "  client:send 'Content-Length: 0\\r\\n\\r\\n'\n"
    "  client:receive '*l'\n"
    "end)\n"
    "local get = task.spawn(http.get, 'http://127.0.0.1:' .. port)\n"
    "while not asked() do task.sleep(0.001) end\n"
    "get:cancel()\n"
    "assert(get:status() == 'running' and not get:result())\n";

static int is_asked(lua_State *L) {
  lua_pushboolean(L, asked);
  return 1;
}

static int open_test(lua_State *L) {
  lp_luapool_modules(L);
  lua_register(L, "asked", is_asked);
  return 0;
}

static lp_task_status ended_as;

static void on_end(lp_task *t, lua_State *co, int nres) {
  (void)co, (void)nres;
  ended_as = t->status;
  uv_stop(t->st->loop);
}

static void test_cancel_while_curl_resolves(void **state) {
  static lp_state st; /* its handles are gone once the loop has turned */
  clean *t = *state;
  sem_init(&answer, 0, 0);
  assert_int_equal(lp_state_open(&st, &t->loop, open_test), 0);
  assert_int_equal(luaL_loadstring(st.L, script), LUA_OK);
  lp_task_own(lp_task_spawn(st.L, 0), on_end, NULL);
  uv_run(&t->loop, UV_RUN_DEFAULT);
  assert_int_equal(ended_as, LP_TASK_DONE);
  assert_false(answered);
  lp_state_close(&st);
  assert_false(answered);
  sem_post(&answer);
  while (!answered) usleep(1000);
  assert_false(late);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_cancel_while_curl_resolves, clean_setup,
                                      clean_teardown),
  };
  return cmocka_run_group_tests(tests, clean_group, NULL);
}
