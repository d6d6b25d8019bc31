/* tests/bench/task_floor.c: the floor of a sleeping task: bare C and Lua. N coroutines of one
 * Lua function that calls one C function, which puts a deadline into a heap and yields; when
 * all have, each is resumed in order. No tasks, no cancel, no errors. Argument: N. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

typedef struct sleeper {
  uint64_t due;
  lua_State *co;
} sleeper;

static sleeper *heap;
static size_t len;

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void push(sleeper s) {
  size_t i = len++;
  for (; i > 0 && heap[(i - 1) / 2].due > s.due; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
  heap[i] = s;
}

static sleeper pop(void) {
  sleeper first = heap[0], s = heap[--len];
  size_t i = 0;
  for (size_t child; (child = 2 * i + 1) < len; i = child) {
    if (child + 1 < len && heap[child + 1].due < heap[child].due) child++;
    if (heap[child].due >= s.due) break;
    heap[i] = heap[child];
  }
  heap[i] = s;
  return first;
}

static int sleep_for(lua_State *L) {
  push((sleeper){now() + (uint64_t)(luaL_checknumber(L, 1) * 1e9), L});
  return lua_yield(L, 0);
}

/* A coroutine is anchored by its place in the table on top of L. */
static void spawn(lua_State *L, int i) {
  int count;
  lua_State *co = lua_newthread(L);
  lua_rawseti(L, -2, i);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_resume(co, L, 0, &count);
}

static void run(lua_State *L) {
  int count;
  while (len > 0) {
    uint64_t due = heap[0].due, present = now();
    if (due > present) {
      struct timespec t = {(time_t)((due - present) / 1000000000),
                           (long)((due - present) % 1000000000)};
      nanosleep(&t, NULL);
    }
    sleeper s = pop();
    lua_resume(s.co, L, 0, &count);
  }
}

int main(int argc, char **argv) {
  int n = argc > 1 ? atoi(argv[1]) : 1;
  lua_State *L = luaL_newstate();
  heap = malloc((size_t)n * sizeof *heap);
  if (!L || !heap) return 1;
  luaL_openlibs(L);
  lua_register(L, "sleep", sleep_for);
  if (luaL_loadstring(L, "local s = sleep; return function() s(1) end") != LUA_OK) return 1;
  lua_call(L, 0, 1);
  lua_newtable(L);
  for (int i = 1; i <= n; i++) spawn(L, i);
  run(L);
  lua_close(L);
  free(heap);
  return 0;
}
