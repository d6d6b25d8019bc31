/* tests/fuzz/fuzz_function.c: any bytes are read as a graph of closures or refused; what was
 * read makes the round trip, and both sides record the same objects.
 *
 * Bytecode in place is refused, since Lua trusts it: functions are made of the prototypes in
 * SEEDS, by number, and are called by no one but the collector. The first byte says what is
 * known and whether to record. Modules with effects are not there. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/loop/raise.h"
#include "runtime/wire/wire.h"
#include "tests/support/bare.h"
#include "tests/support/wire_same.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

enum { KNOWN = 1, RECORD = 2, FLAGS = 3 };

/* The Lua state's stack. */
enum { GRAPH = 1, COPY, COMPARE, SEED, BOTTOM = SEED };

typedef struct fuzz {
  lua_State *L;
  lp_buf out, protos;
  size_t learned; /* bytes of protos that count: numbers that SEEDS gave out */
  unsigned runs;
} fuzz;

/* A list of values to begin with; the first is what the known graph is made of. */
static const char SEEDS[] =
    "local Class = {} Class.__index = Class\n"
    "function Class:get() return self.v end\n"
    "local n, list = 0, {}\n"
    "local function up() n = n + 1 return n, list end\n"
    "local function down() n = n - 1 return n, Class end\n"
    "local function even(i) return i == 0 or list.odd(i - 1) end\n"
    "list.odd = function(i) return i ~= 0 and even(i - 1) end\n"
    "local function deep(a) return function() return function() return a, deep, up end end "
    "end\n"
    "local object = setmetatable({v = 1}, Class)\n"
    "return {\n"
    "  {up, Class, object, even},\n"
    "  {up, down, up, list},\n"
    "  {even, {even, list.odd, [even] = 2.5}, deep(deep)},\n"
    "  {deep(object)(), deep({up})()(), object, Class.get},\n"
    "  {setmetatable({}, {__index = up, __gc = down, __close = deep}), object},\n"
    "  {string.format, math, table.concat, _G, function() return print end, type},\n"
    "  {setmetatable(list, {__index = function() return list end, __mode = 'k'}), 'text'},\n"
    "  {down, ('long'):rep(40), -77777, {nil, true, false}, string, setmetatable},\n"
    "}";

static const char COPIES[] = "local graph = ...\n"
                             "local copy = {}\n"
                             "for k, v in next, graph do copy[k] = v end\n"
                             "return copy";

/* Pushes what one side knows when it begins, and makes it w->known. */
static void push_known(lua_State *L, lp_wire *w, unsigned flags) {
  lua_pushvalue(L, lua_upvalueindex(COPY));
  if (flags & KNOWN)
    lua_pushvalue(L, lua_upvalueindex(GRAPH));
  else
    lp_wire_graph(L);
  lua_call(L, 1, 1);
  w->known = flags & (KNOWN | RECORD) ? lua_gettop(L) : 0;
}

/* No prototype came out of this but those that went in. */
static void check_protos(const fuzz *f) {
  for (size_t i = f->learned; i < f->protos.len; i += sizeof(uint32_t)) {
    if (!memmem(f->protos.data, f->learned, f->protos.data + i, sizeof(uint32_t))) abort();
  }
}

/* Arguments: the bytes, their number, fuzz; upvalues: up to COMPARE. Returns true once what was
 * read has been written again: nothing may be raised from there on. */
static int read_write(lua_State *L) {
  fuzz *f = lua_touserdata(L, 3);
  const char *bytes = lua_touserdata(L, 1);
  unsigned flags = (unsigned char)*bytes;
  lp_wire w = {.record = flags & RECORD, .no_bytecode = 1, .protos = &f->protos};
  push_known(L, &w, flags);
  int n = lp_wire_decode(L, &w, bytes + 1, (size_t)lua_tointeger(L, 2) - 1);
  if (n > 100) return 0;
  lua_gc(L, LUA_GCSTOP); /* the collector empties weak tables */
  luaL_checkstack(L, 2 * n + 20, NULL);
  push_known(L, &w, flags);
  lp_wire_encode(L, &w, lua_gettop(L) - n, n, &f->out);
  return n + 1;
}

/* The same as upvalues; arguments: fuzz, flags, what read_write returned: values and a graph.
 */
static int read_again(lua_State *L) {
  enum { FIRST = 3 };
  fuzz *f = lua_touserdata(L, 1);
  unsigned flags = (unsigned)lua_tointeger(L, 2);
  int n = lua_gettop(L) - FIRST + 1;
  luaL_checkstack(L, 2 * n + 20, NULL);
  lp_wire w = {.record = flags & RECORD, .no_bytecode = 1};
  lua_pushvalue(L, lua_upvalueindex(COMPARE));
  lua_insert(L, FIRST);
  lua_pushinteger(L, n);
  lua_insert(L, FIRST + 1);
  push_known(L, &w, flags);
  int known = lua_gettop(L);
  if (lp_wire_decode(L, &w, f->out.data, f->out.len) != n - 1) abort();
  lua_rotate(L, known, -1);
  lua_call(L, 2 * n + 1, 1);
  return 1;
}

static void push_closure(lua_State *L, lua_CFunction function) {
  for (int i = GRAPH; i <= COMPARE; i++) lua_pushvalue(L, i);
  lua_pushcclosure(L, function, COMPARE);
}

/* Whatever goes wrong in the second reading is a bug, but a name that only a script's `__refer`
 * can have made. */
static void round_trip(fuzz *f, const uint8_t *data, int values) {
  lua_State *L = f->L;
  push_closure(L, read_again);
  lua_insert(L, BOTTOM + 1);
  lua_pushlightuserdata(L, f);
  lua_insert(L, BOTTOM + 2);
  lua_pushinteger(L, *data);
  lua_insert(L, BOTTOM + 3);
  if (lua_pcall(L, values + 2, 1, 0) == LUA_OK) {
    if (!lua_toboolean(L, -1)) abort();
  } else {
    const char *kind = lp_raise_kind(L, -1);
    if (!kind || strcmp(kind, "module") != 0) abort();
  }
}

/* Learns the prototypes in SEEDS, under the numbers that they have on the way out. */
static int learn(lua_State *L) {
  fuzz *f = lua_touserdata(L, 1);
  lp_wire w = {.protos = &f->protos};
  lp_wire_encode(L, &w, 2, 1, &f->out);
  f->learned = f->protos.len;
  for (size_t i = 0; i < f->learned; i += sizeof(uint32_t)) {
    uint32_t number;
    size_t len;
    memcpy(&number, f->protos.data + i, sizeof number);
    lp_wire_proto(L, number);
    const char *bytecode = lua_tolstring(L, -1, &len);
    lp_wire_learn(L, number, bytecode, len);
  }
  return 0;
}

/* The functions and metatables of the first seed, as both sides have recorded them. */
static int make_graph(lua_State *L) {
  lp_buf out = {0}, protos = {0};
  lua_rawgeti(L, 1, 1);
  lp_wire_graph(L);
  lp_wire w = {.known = 3, .record = 1, .protos = &protos};
  lp_wire_encode(L, &w, 2, 1, &out);
  lp_buf_close(&out);
  lp_buf_close(&protos);
  return 1;
}

static lua_State *new_state(void) {
  static const luaL_Reg libs[] = {{LUA_GNAME, luaopen_base},
                                  {LUA_STRLIBNAME, luaopen_string},
                                  {LUA_TABLIBNAME, luaopen_table},
                                  {LUA_MATHLIBNAME, luaopen_math},
                                  {"luapool.error.core", luaopen_luapool_error_core}};
  lua_State *L = bare_state(luaL_newstate());
  for (size_t i = 0; i < sizeof libs / sizeof *libs; i++) {
    luaL_requiref(L, libs[i].name, libs[i].func, 1);
  }
  lua_settop(L, 0);
  if (luaL_dostring(L, "print, dofile, loadfile = function() end")) abort();
  return L;
}

static void open_fuzz(fuzz *f) {
  lua_State *L = f->L = new_state();
  if (luaL_dostring(L, SEEDS)) abort();
  lua_pushcfunction(L, make_graph);
  lua_pushvalue(L, 1);
  if (lua_pcall(L, 1, 1, 0) || luaL_loadstring(L, COPIES)) abort();
  luaL_requiref(L, LUA_DBLIBNAME, luaopen_debug, 1);
  lua_pop(L, 1);
  if (luaL_dostring(L, SAME)) abort();
  lua_rotate(L, 1, -1);
  lua_pushcfunction(L, learn);
  lua_pushlightuserdata(L, f);
  lua_pushvalue(L, SEED);
  if (lua_pcall(L, 2, 0, 0)) abort();
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_pushnil(L);
  lua_setfield(L, -2, LUA_DBLIBNAME);
  lua_pushnil(L);
  lua_setglobal(L, LUA_DBLIBNAME);
  lua_settop(L, BOTTOM);
}

static fuzz *get_fuzz(void) {
  static fuzz f;
  if (!f.L) open_fuzz(&f);
  return &f;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz *f = get_fuzz();
  lua_State *L = f->L;
  if (size < 1) return 0;
  f->out.len = 0;
  f->protos.len = f->learned;
  push_closure(L, read_write);
  lua_pushlightuserdata(L, (void *)data);
  lua_pushinteger(L, (lua_Integer)size);
  lua_pushlightuserdata(L, f);
  if (lua_pcall(L, 3, LUA_MULTRET, 0) == LUA_OK) {
    check_protos(f);
    if (lua_gettop(L) > BOTTOM) round_trip(f, data, lua_gettop(L) - BOTTOM);
  }
  lua_settop(L, BOTTOM);
  lua_gc(L, LUA_GCRESTART);
  if (++f->runs % 64 == 0) lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

/* Writes a seed as a fresh process would send it; returns its size, or 0. */
static size_t write_seed(fuzz *f, uint8_t *data, size_t max, unsigned seed) {
  lua_State *L = f->L;
  unsigned count = (unsigned)lua_rawlen(L, SEED);
  lp_wire w = {.known = seed & KNOWN ? GRAPH : 0, .protos = &f->protos};
  f->out.len = 0;
  lua_rawgeti(L, SEED, 1 + seed / (FLAGS + 1) % count);
  lp_wire_encode(L, &w, lua_gettop(L), 1, &f->out);
  lua_settop(L, BOTTOM);
  if (f->out.len + 1 > max) return 0;
  *data = seed & FLAGS;
  memcpy(data + 1, f->out.data, f->out.len);
  return f->out.len + 1;
}

/* Real encodings come in now and then, and whenever there is nothing to change. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
  size_t n = size < 2 || seed % 64 == 0 ? write_seed(get_fuzz(), data, max, seed / 64) : 0;
  return n ? n : LLVMFuzzerMutate(data, size, max);
}
