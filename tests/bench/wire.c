/* tests/bench/wire.c: what it costs to encode and to decode one value: nanoseconds of CPU. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <time.h>

#include "runtime/wire/wire.h"
#include "tests/support/bare.h"

enum { ROUNDS = 300000, TRIES = 5 };

static double cpu(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Teaches the receiver the prototypes, as a pool does once for each worker. */
static void learn(lua_State *from, lua_State *to, lp_buf *protos) {
  for (uint32_t *p = (uint32_t *)protos->data; (char *)p < protos->data + protos->len; p++) {
    size_t len;
    lp_wire_proto(from, *p);
    const char *bytecode = lua_tolstring(from, -1, &len);
    lp_wire_learn(to, *p, bytecode, len);
    lua_pop(from, 1);
  }
}

static double encode(lua_State *L, const lp_wire *w, lp_buf *out, int rounds) {
  double start = cpu();
  for (int i = 0; i < rounds; i++) {
    out->len = 0;
    if (w->protos) w->protos->len = 0;
    lp_wire_encode(L, w, 1, 1, out);
  }
  return (cpu() - start) / rounds;
}

static double decode(lua_State *L, const lp_wire *w, const lp_buf *in, int rounds) {
  double start = cpu();
  for (int i = 0; i < rounds; i++) {
    lp_wire_decode(L, w, in->data, in->len);
    lua_settop(L, 0);
  }
  return (cpu() - start) / rounds;
}

static void measure(const char *what, const char *code, int rounds) {
  lua_State *from = bare_state(luaL_newstate()), *to = bare_state(luaL_newstate());
  lp_buf out = {0}, protos = {0};
  lp_wire w = {.protos = &protos};
  double best[2] = {1e18, 1e18};
  luaL_openlibs(from);
  luaL_openlibs(to);
  if (luaL_dostring(from, code)) printf("%s\n", lua_tostring(from, -1));
  for (int i = 0; i < TRIES; i++) {
    double ns = encode(from, &w, &out, rounds);
    if (ns < best[0]) best[0] = ns;
    learn(from, to, &protos);
    ns = decode(to, &w, &out, rounds);
    if (ns < best[1]) best[1] = ns;
  }
  printf("%-34s %8.0f %8.0f %8zu\n", what, best[0], best[1], out.len);
  lp_buf_close(&out);
  lp_buf_close(&protos);
  lua_close(from);
  lua_close(to);
}

int main(void) {
  printf("%-34s %8s %8s %8s\n", "wire: one value", "encode", "decode", "bytes");
  measure("a number", "return 12345", ROUNDS);
  measure("a short string", "return 'http://localhost/12345'", ROUNDS);
  measure("{id = 17, name = 'n'}", "return {id = 17, name = 'n17'}", ROUNDS);
  measure("an object with a metatable", "return setmetatable({id = 17}, string)", ROUNDS);
  measure("a closure of two upvalues", "local a, b = 1, {} return function() return a, b end",
          ROUNDS);
  measure("a list of 1,000 numbers", "local t = {} for i = 1, 1000 do t[i] = i end return t",
          ROUNDS / 300);
  measure("1,000 records",
          "local t = {} for i = 1, 1000 do t[i] = {id = i, name = 'n' .. i} end return t",
          ROUNDS / 300);
  return 0;
}
