/* The binary interface: a program that was compiled with an older luapool.h runs with this
 * library. What this file records is never changed: a structure grows at its end, by a line
 * here. */
#include <luapool.h>
#include <stddef.h>

#include "check.h"

#define FIELD(type, field, offset) CHECK_INT(offset, offsetof(type, field))

static void options(void) {
  FIELD(luapool_options, size, 0);
  FIELD(luapool_options, user, 8);
  FIELD(luapool_options, alloc, 16);
  FIELD(luapool_options, text, 24);
  FIELD(luapool_options, load, 32);
  FIELD(luapool_options, allow, 40);
  FIELD(luapool_options, limit, 48);
  FIELD(luapool_options, clock, 56);
  FIELD(luapool_options, seed, 64);
  FIELD(luapool_options, allowed, 72);
  FIELD(luapool_options, signal, 76);
  FIELD(luapool_options, program, 80);
  FIELD(luapool_options, forkserver, 88);
  FIELD(luapool_options, memory, 96);
  FIELD(luapool_options, tasks, 104);
  FIELD(luapool_options, task_us, 112);
  FIELD(luapool_options, block_us, 120);
  FIELD(luapool_options, slice_us, 128);
  FIELD(luapool_options, close_us, 136);
  FIELD(luapool_options, stack, 144);
  FIELD(luapool_options, threads, 152);
  CHECK_INT(160, sizeof(luapool_options));
}

static void others(void) {
  FIELD(luapool_value, type, 0);
  FIELD(luapool_value, as, 8);
  FIELD(luapool_value, as.string.len, 16);
  CHECK_INT(24, sizeof(luapool_value));
  FIELD(luapool_call_class, size, 0);
  FIELD(luapool_call_class, name, 8);
  FIELD(luapool_call_class, results, 16);
  FIELD(luapool_call_class, cancel, 24);
  FIELD(luapool_call_class, free, 32);
  CHECK_INT(40, sizeof(luapool_call_class));
  FIELD(luapool_stats, size, 0);
  FIELD(luapool_stats, lua_bytes, 8);
  FIELD(luapool_stats, native_bytes, 16);
  FIELD(luapool_stats, tasks, 24);
  FIELD(luapool_stats, ready, 32);
  FIELD(luapool_stats, calls, 40);
  FIELD(luapool_stats, workers, 48);
  FIELD(luapool_stats, cpu_us, 56);
  FIELD(luapool_stats, gc_us, 64);
  FIELD(luapool_stats, longest_us, 72);
  CHECK_INT(80, sizeof(luapool_stats));
}

static void constants(void) {
  CHECK_INT(0, LUAPOOL_OK);
  CHECK_INT(1, LUAPOOL_MORE);
  CHECK_INT(-1, LUAPOOL_ESYNTAX);
  CHECK_INT(-2, LUAPOOL_ERUN);
  CHECK_INT(-3, LUAPOOL_EMEMORY);
  CHECK_INT(-4, LUAPOOL_ETIME);
  CHECK_INT(-5, LUAPOOL_ECANCELLED);
  CHECK_INT(-6, LUAPOOL_EDEADLOCK);
  CHECK_INT(-7, LUAPOOL_EDENIED);
  CHECK_INT(-8, LUAPOOL_EINSIDE);
  CHECK_INT(-9, LUAPOOL_EARGUMENT);
  CHECK_INT(-10, LUAPOOL_ESYSTEM);
  CHECK_INT(-11, LUAPOOL_ELUA);
  CHECK_INT(-12, LUAPOOL_ETASKS);
  CHECK_INT(0, LUAPOOL_NIL);
  CHECK_INT(1, LUAPOOL_BOOLEAN);
  CHECK_INT(2, LUAPOOL_INTEGER);
  CHECK_INT(3, LUAPOOL_NUMBER);
  CHECK_INT(4, LUAPOOL_STRING);
  CHECK_INT(5, LUAPOOL_POINTER);
  CHECK_INT(6, LUAPOOL_OTHER);
  CHECK_INT(1, LUAPOOL_ALLOW_NET);
  CHECK_INT(2, LUAPOOL_ALLOW_READ);
  CHECK_INT(4, LUAPOOL_ALLOW_WRITE);
  CHECK_INT(8, LUAPOOL_ALLOW_EXEC);
  CHECK_INT(16, LUAPOOL_ALLOW_POOLS);
  CHECK_INT(32, LUAPOOL_ALLOW_BYTECODE);
  CHECK_INT(64, LUAPOOL_ALLOW_NATIVE);
  CHECK_INT(128, LUAPOOL_ALLOW_DEBUG);
  CHECK_INT(256, LUAPOOL_ALLOW_PROCESS);
}

/* A program of yesterday says a size that ends before the latest fields, one of tomorrow a size
 * beyond them: fields that this library does not know must be 0. */
static void sizes(void) {
  struct {
    luapool_options known;
    long long unknown;
  } later = {LUAPOOL_OPTIONS, 0};
  luapool *rt = NULL;
  luapool_options earlier = LUAPOOL_OPTIONS;
  earlier.size = offsetof(luapool_options, slice_us);
  CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &earlier));
  luapool_close(rt);
  later.known.size = sizeof later;
  CHECK_INT(LUAPOOL_OK, luapool_open(&rt, &later.known));
  luapool_close(rt);
  later.unknown = 1;
  CHECK_INT(LUAPOOL_EARGUMENT, luapool_open(&rt, &later.known));
  CHECK(rt == NULL);
  earlier.size = 0;
  CHECK_INT(LUAPOOL_EARGUMENT, luapool_open(&rt, &earlier));
}

int main(void) {
  options();
  others();
  constants();
  sizes();
  unsigned n = luapool_version_number();
  char text[32];
  snprintf(text, sizeof text, "%u.%u.%u", n / 10000, n / 100 % 100, n % 100);
  CHECK_INT(LUAPOOL_VERSION_NUMBER, n);
  CHECK_TEXT(text, luapool_version());
  return check_done();
}
