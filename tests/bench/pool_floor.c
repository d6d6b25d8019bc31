/* tests/bench/pool_floor.c: the floor for pool:map: bare C with Lua at both ends.
 *
 * usage: pool_floor TASKS
 * Forks two workers. Main gives each batches of numbers over a socketpair, a window of 128 at a
 * time; a worker runs one Lua coroutine a number that doubles it, and answers in one write;
 * main sums in Lua. Nothing is scheduled, checked or accounted for. */
#include <lauxlib.h>
#include <lualib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WINDOW = 128, WORKERS = 2 };

static lua_State *open_lua(const char *code) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  if (luaL_dostring(L, code)) exit(3);
  return L;
}

static void work(int fd) {
  lua_State *L = open_lua("return function(x) return x * 2 end");
  lua_State *co = lua_newthread(L);
  long long batch[WINDOW];
  for (ssize_t n; (n = read(fd, batch, sizeof batch)) > 0;) {
    for (size_t i = 0; i < (size_t)n / sizeof *batch; i++) {
      int results;
      lua_pushvalue(L, 1);
      lua_xmove(L, co, 1);
      lua_pushinteger(co, batch[i]);
      if (lua_resume(co, NULL, 1, &results) != LUA_OK) exit(3);
      batch[i] = lua_tointeger(co, -1);
      lua_settop(co, 0);
    }
    if (write(fd, batch, (size_t)n) != n) break;
  }
  exit(0);
}

static long feed(int fd, long next, long tasks) {
  long long batch[WINDOW];
  size_t n = 0;
  while (n < WINDOW && next + (long)n < tasks) {
    batch[n] = next + (long)n;
    n++;
  }
  if (n && write(fd, batch, n * sizeof *batch) < 0) exit(3);
  return next + (long)n;
}

int main(int argc, char **argv) {
  long tasks = argc > 1 ? atol(argv[1]) : 100000, next = 0, done = 0;
  struct pollfd ends[WORKERS];
  for (int i = 0; i < WORKERS; i++) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) return 1;
    if (fork() == 0) {
      for (int j = 0; j < i; j++) close(ends[j].fd);
      close(pair[0]);
      work(pair[1]);
    }
    close(pair[1]);
    ends[i] = (struct pollfd){.fd = pair[0], .events = POLLIN};
  }
  lua_State *L = open_lua("local sum = 0 return function(x) sum = sum + x return sum end");
  for (int i = 0; i < WORKERS; i++) next = feed(ends[i].fd, next, tasks);
  while (done < tasks && poll(ends, WORKERS, -1) > 0) {
    for (int i = 0; i < WORKERS; i++) {
      long long batch[WINDOW];
      if (!(ends[i].revents & POLLIN)) continue;
      ssize_t n = read(ends[i].fd, batch, sizeof batch);
      for (size_t j = 0; j < (size_t)n / sizeof *batch; j++, done++) {
        lua_pushvalue(L, 1);
        lua_pushinteger(L, batch[j]);
        lua_call(L, 1, 0);
      }
      next = feed(ends[i].fd, next, tasks);
    }
  }
  for (int i = 0; i < WORKERS; i++) close(ends[i].fd);
  while (wait(NULL) > 0) {
  }
  return done == tasks ? 0 : 1;
}
