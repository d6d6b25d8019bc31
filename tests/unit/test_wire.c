/* tests/unit/test_wire.c: values and functions travel between two Lua states.
 *
 * `home` makes values with a chunk of Lua, `away` gets them as `...` of another chunk that
 * asserts what they must be. Every case runs with bytecode in place and with prototypes by
 * number. */
#include <lauxlib.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bindings/bindings.h"
#include "runtime/loop/raise.h"
#include "runtime/loop/scripts.h"
#include "runtime/wire/wire.h"
#include "tests/support/bare.h"

typedef struct pair {
  lua_State *home, *away;
  lp_buf out, protos;
  char error[2048]; /* of the last failure: "kind: message" */
} pair;

/* A field of a module that both sides have and nobody required. */
static int open_thing(lua_State *L) {
  lua_newtable(L);
  lua_pushcfunction(L, luaopen_utf8);
  lua_setfield(L, -2, "action");
  lua_pushlightuserdata(L, L);
  lua_setfield(L, -2, "token");
  return 1;
}

/* package.preload.<name> = opener, in Lua source or C. */
static void preload(lua_State *L, const char *name, lua_CFunction opener, const char *source) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  if (opener)
    lua_pushcfunction(L, opener);
  else
    assert_int_equal(luaL_loadstring(L, source), LUA_OK);
  lua_setfield(L, -2, name);
  lua_pop(L, 2);
}

static lua_State *new_state(void) {
  lua_State *L = bare_state(luaL_newstate());
  luaL_openlibs(L);
  luaL_requiref(L, "luapool.error.core", luaopen_luapool_error_core, 0);
  lua_pop(L, 1);
  preload(L, "thing", open_thing, NULL);
  preload(L, "shop", NULL,
          "local M = {} M.__index = M function M:price() return self.p end "
          "function M.new(p) return setmetatable({p = p}, M) end return M");
  preload(L, "settings", NULL, "return {colour = 'red'}");
  preload(L, "luapool.task.core", NULL, "return {}");
  preload(L, "luapool.sandbox.core", luaopen_luapool_sandbox_core, NULL);
  preload(L, "luapool.fixed", NULL, "return {wait = function() return 'waited' end}");
  return L;
}

static int setup(void **state) {
  pair *t = calloc(1, sizeof(*t));
  t->home = new_state();
  t->away = new_state();
  *state = t;
  return 0;
}

static int teardown(void **state) {
  pair *t = *state;
  lua_close(t->home);
  lua_close(t->away);
  lp_buf_close(&t->out);
  lp_buf_close(&t->protos);
  free(t);
  return 0;
}

/* Runs a chunk with the n values on top as arguments; its results are on top afterwards. */
static int run(lua_State *L, const char *code, int n) {
  int base = lua_gettop(L) - n;
  if (luaL_loadbuffer(L, code, strlen(code), "=job.lua") != LUA_OK) {
    fail_msg("%s", lua_tostring(L, -1));
  }
  lua_insert(L, base + 1);
  if (lua_pcall(L, n, LUA_MULTRET, 0) != LUA_OK) fail_msg("%s", luaL_tolstring(L, -1, NULL));
  return lua_gettop(L) - base;
}

typedef struct call {
  const lp_wire *w;
  int n;
  lp_buf *out;
  const char *bytes;
  size_t len;
} call;

static int encode_call(lua_State *L) {
  call *c = lua_touserdata(L, 1);
  lp_wire w = *c->w;
  if (w.known) w.known = 2;
  lp_wire_encode(L, &w, 3, c->n, c->out);
  assert_int_equal(lua_gettop(L), 2 + c->n);
  return 0;
}

static int decode_call(lua_State *L) {
  call *c = lua_touserdata(L, 1);
  lp_wire w = *c->w;
  if (w.known) w.known = 2;
  int n = lp_wire_decode(L, &w, c->bytes, c->len);
  assert_int_equal(lua_gettop(L), 2 + n);
  return n;
}

/* Keeps "kind: message" of the error on top of the stack, pops it. */
static void keep_error(pair *t, lua_State *L) {
  const char *kind = lp_raise_kind(L, -1);
  const char *text = kind ? (lua_getfield(L, -1, "message"), lua_tostring(L, -1)) : NULL;
  snprintf(t->error, sizeof(t->error), "%s: %s", kind ? kind : "-",
           text ? text : luaL_tolstring(L, -1, NULL));
  lua_settop(L, 1);
}

/* Stack index 1 of both states is the known graph or nil. Encodes the n values on top, pops
 * them. */
static int encode(pair *t, lua_State *L, const lp_wire *w, int n) {
  call c = {.w = w, .n = n, .out = &t->out};
  int first = lua_gettop(L) - n + 1;
  luaL_checkstack(L, 3, NULL);
  lua_pushcfunction(L, encode_call);
  lua_insert(L, first);
  lua_pushlightuserdata(L, &c);
  lua_insert(L, first + 1);
  lua_pushvalue(L, 1);
  lua_insert(L, first + 2);
  int status = lua_pcall(L, 2 + n, 0, 0);
  if (status != LUA_OK) keep_error(t, L);
  return status;
}

static int decode(pair *t, lua_State *L, const lp_wire *w, const char *bytes, size_t len) {
  call c = {.w = w, .bytes = bytes, .len = len};
  luaL_checkstack(L, 3, NULL);
  lua_pushcfunction(L, decode_call);
  lua_pushlightuserdata(L, &c);
  lua_pushvalue(L, 1);
  int status = lua_pcall(L, 2, LUA_MULTRET, 0);
  if (status != LUA_OK) keep_error(t, L);
  return status;
}

/* Tells the other side the prototypes that were asked for. */
static void learn(pair *t, lua_State *from, lua_State *to) {
  for (size_t i = 0; i < t->protos.len; i += sizeof(uint32_t)) {
    uint32_t number;
    size_t len;
    memcpy(&number, t->protos.data + i, sizeof(number));
    lp_wire_proto(from, number);
    const char *bytecode = lua_tolstring(from, -1, &len);
    lp_wire_learn(to, number, bytecode, len);
    lua_pop(from, 1);
  }
  t->protos.len = 0;
}

/* Sends what `make` returns from one side to the other and runs `check` with it there. */
static void send_to(pair *t, lua_State *from, lua_State *to, lp_wire w, const char *make,
                    const char *check) {
  t->out.len = 0;
  if (lua_gettop(from) == 0) lua_pushnil(from);
  if (lua_gettop(to) == 0) lua_pushnil(to);
  int n = run(from, make, 0);
  if (encode(t, from, &w, n) != LUA_OK) fail_msg("%s", t->error);
  if (w.protos) learn(t, from, to);
  lua_gc(to, LUA_GCCOLLECT);
  if (decode(t, to, &w, t->out.data, t->out.len) != LUA_OK) fail_msg("%s", t->error);
  run(to, check, lua_gettop(to) - 1);
  lua_settop(from, 1);
  lua_settop(to, 1);
}

static void travels(pair *t, const char *make, const char *check) {
  send_to(t, t->home, t->away, (lp_wire){0}, make, check);
  send_to(t, t->home, t->away, (lp_wire){.protos = &t->protos}, make, check);
}

/* What `make` returns cannot be sent, and the message is exactly this. */
static void refuses(pair *t, const char *make, const char *noun, const char *message) {
  lua_settop(t->home, 0);
  lua_pushnil(t->home);
  t->out.len = 0;
  lp_buf_append(&t->out, "before", 6);
  int n = run(t->home, make, 0);
  assert_int_not_equal(encode(t, t->home, &(lp_wire){.noun = noun}, n), LUA_OK);
  assert_string_equal(t->error, message);
  assert_int_equal(t->out.len, 6);
  assert_memory_equal(t->out.data, "before", 6);
  lua_settop(t->home, 0);
}

static void numbers_keep_type_and_value(void **state) {
  travels(
      *state,
      "return nil, true, false, 0, 1, 127, 128, -1, math.maxinteger, math.mininteger, 2^53, "
      "0.1, 1/0, -1/0, -0.0, 0/0, 3.0",
      "local t = table.pack(...) assert(t.n == 17 and t[1] == nil and t[2] and not t[3]) "
      "local want = {0, 1, 127, 128, -1, math.maxinteger, math.mininteger, 2^53, 0.1, 1/0, "
      "-1/0} "
      "for i, v in ipairs(want) do assert(v == t[i+3] and "
      "math.type(v) == math.type(t[i+3]), i) end "
      "assert(1/t[15] == -1/0 and t[16] ~= t[16] and math.type(t[17]) == 'float')");
}

static void strings_hold_any_byte(void **state) {
  travels(*state, "return '', 'a\\0b\\255', ('x'):rep(63), ('x'):rep(64), ('y\\n'):rep(100000)",
          "local a, b, c, d, e = ... assert(a == '' and b == 'a\\0b\\255' and #c == 63 and #d "
          "== 64 "
          "and e == ('y\\n'):rep(100000))");
}

static void tables_keep_their_content(void **state) {
  travels(*state,
          "local big = {} for i = 1, 1000 do big[i], big['k' .. i], big[-i] = i, i, i end "
          "return {1, 2, nil, 4, x = {y = {}}, [2.5] = 'f', [true] = 0, [1 << 40] = 1}, big",
          "local t, big = ... assert(t[1] == 1 and t[2] == 2 and t[3] == nil and t[4] == 4) "
          "assert(next(t.x.y) == nil and t[2.5] == 'f' and t[true] == 0 and t[1 << 40] == 1) "
          "assert(#big == 1000) local n = 0 for k, v in pairs(big) do n = n + 1 end "
          "assert(n == 3000 and big.k77 == 77 and big[-5] == 5 and big[1000] == 1000)");
}

static void sharing_and_cycles_are_kept(void **state) {
  travels(
      *state,
      "local a = {} a.self = a local b = {a, a, {a}} a[b] = b "
      "local many = {} for i = 1, 100 do many[i] = {} end "
      "for i = 1, 100 do many[i + 100] = many[i] end return a, b, many",
      "local a, b, many = ... assert(a.self == a and b[1] == a and b[2] == a and b[3][1] == a) "
      "assert(a[b] == b) "
      "for i = 1, 100 do assert(many[i] == many[i + 100] and many[i] ~= many[i % 100 + 1]) "
      "end");
}

static void metatables_come_along(void **state) {
  travels(
      *state,
      "local C = {__name = 'C', __metatable = 'locked'} C.__index = function(t, k) return k .. "
      "1 end "
      "C.default = setmetatable({}, C) C.__add = function(a, b) return 'sum' end "
      "local weak = setmetatable({}, {__mode = 'k'}) local own = {} setmetatable(own, own) "
      "return setmetatable({}, C), setmetatable({}, C), weak, own",
      "local a, b, weak, own = ... assert(a.x == 'x1' and a + b == 'sum') "
      "local m = debug.getmetatable(a) assert(m == debug.getmetatable(b) and m.__name == 'C') "
      "assert(debug.getmetatable(m.default) == m and getmetatable(weak).__mode == 'k') "
      "assert(getmetatable(own) == own)");
}

static void finalizers_and_closers_work(void **state) {
  travels(*state,
          "local C = {} C.first = setmetatable({}, C) function C.__gc() Collected = (Collected "
          "or 0) + 1 end "
          "local closed = {} return C.first, setmetatable({}, {__close = function() closed[1] "
          "= true end}), closed",
          "local a, b, closed = ... do local x <close> = b end assert(closed[1])");
}

static void gc_after_arrival(void **state) {
  pair *t = *state;
  travels(t,
          "local C = {} C.first = setmetatable({}, C) "
          "function C.__gc() Collected = (Collected or 0) + 1 end return C.first",
          "assert(type(debug.getmetatable((...)).__gc) == 'function')");
  lua_gc(t->away, LUA_GCCOLLECT);
  lua_gc(t->away, LUA_GCCOLLECT);
  run(t->away, "assert(Collected == 2, Collected)", 0);
}

static void functions_bring_their_upvalues(void **state) {
  travels(*state,
          "local n, name, none = 10, 'job', nil "
          "local function add(x) n = n + x return n, name, none end return add",
          "local add = ... local n, name, none = add(5) assert(n == 15 and name == 'job' and "
          "none == nil) "
          "assert(add(1) == 16) local i = debug.getinfo(add, 'S') "
          "assert(i.short_src == 'job.lua' and i.linedefined == 1) "
          "assert(debug.getupvalue(add, 1) == 'n')");
}

static void first_upvalue_need_not_be_env(void **state) {
  travels(*state,
          "local t = {v = 7} return function() return t.v end, function() return nil end",
          "local f, g = ... assert(f() == 7 and g() == nil)");
  travels(*state, "local u return function() return u end", "assert((...)() == nil)");
}

static void globals_are_the_receivers(void **state) {
  pair *t = *state;
  run(t->away, "Greeting = 'away'", 0);
  travels(
      t,
      "Greeting = 'home' local function f() return Greeting, _ENV end "
      "local env = setmetatable({}, {__index = _G}) "
      "local g = load('return Greeting', 'g', 't', env) return f, g, _G",
      "local f, g, G = ... local s, env = f() assert(s == 'away' and env == _G and G == _G) "
      "assert(g() == 'away')");
}

static void recursive_functions_work(void **state) {
  travels(
      *state,
      "local function fact(n) return n < 2 and 1 or n * fact(n - 1) end "
      "local even, odd function even(n) if n == 0 then return true end return odd(n - 1) end "
      "function odd(n) if n == 0 then return false end return even(n - 1) end return fact, "
      "even",
      "local fact, even = ... assert(fact(10) == 3628800 and even(10) and not even(7))");
}

static void closures_share_upvalues(void **state) {
  travels(
      *state,
      "local n = 0 local o = {inc = function() n = n + 1 end, get = function() return n end} "
      "local list = {} for i = 1, 20 do list[i] = function() return i, n end end return o, "
      "list",
      "local o, list = ... o.inc() o.inc() assert(o.get() == 2) "
      "for i = 1, 20 do local a, b = list[i]() assert(a == i and b == 2) end");
}

static void vararg_and_nested_functions_work(void **state) {
  travels(*state,
          "local base = 100 return function(...) local sum = base for _, v in ipairs{...} do "
          "sum = sum + v end return function() return sum end end",
          "assert((...)(1, 2, 3)() == 106)");
}

static void modules_go_by_name(void **state) {
  travels(*state,
          "local shop, settings = require 'shop', require 'settings' "
          "settings.colour = 'changed at home' "
          "return shop, settings, shop.new(5), function(p) return shop.new(p), settings.colour "
          "end, string",
          "local shop, settings, item, f, str = ... assert(shop == require 'shop' and str == "
          "string) "
          "assert(settings == require 'settings' and settings.colour == 'red') "
          "assert(getmetatable(item) == shop and item:price() == 5) "
          "local b, colour = f(9) assert(getmetatable(b) == shop and colour == 'red')");
}

static void later_modules_are_noticed(void **state) {
  pair *t = *state;
  travels(t, "return {}", "assert(type((...)) == 'table')");
  run(t->away, "string.later = io.read", 0);
  travels(t, "return {require 'settings'}", "assert((...)[1] == require 'settings')");
  travels(t, "local f = Read or io.read Read = f string.later = f io.read = nil return f",
          "assert((...) == string.later)");
}

static void c_functions_go_by_name(void **state) {
  travels(*state,
          "local thing = require 'thing' aliased = thing.action "
          "return print, string.format, table.unpack, thing.action, require, "
          "function(s) return string.upper(s) end",
          "local p, f, u, action, r, g = ... assert(p == print and f == string.format) "
          "assert(u == table.unpack and action == require 'thing'.action and r == require) "
          "assert(g 'x' == 'X')");
}

static void streams_and_tokens_go_by_name(void **state) {
  travels(*state, "return io.stdout, {io.stderr, io.stdin}, require 'thing'.token",
          "local o, t, token = ... assert(o == io.stdout and t[1] == io.stderr and t[2] == "
          "io.stdin) "
          "assert(token == require 'thing'.token)");
}

static void functions_of_luapool_go_by_name(void **state) {
  travels(*state, "local w = require 'luapool.fixed'.wait return w, function() return w() end",
          "local w, f = ... assert(w == require 'luapool.fixed'.wait and f() == 'waited')");
}

/* Puts luapool's own require, which is in Lua, in the place of the standard one. */
static void replace_require(lua_State *L) {
  const lp_script *s = lp_scripts;
  while (strcmp(s->name, "luapool.internal.require") != 0) s++;
  int rc = luaL_loadbufferx(L, (const char *)s->bytes, s->len, s->chunk, "b");
  assert_int_equal(rc, LUA_OK);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, "user");
  lua_setglobal(L, "require");
  lua_pop(L, 1);
}

static void replaced_standard_functions_go_by_name(void **state) {
  pair *t = *state;
  lua_State *both[] = {t->home, t->away};
  for (int i = 0; i < 2; i++) {
    replace_require(both[i]);
    run(both[i], "os.tmpname = load('return 1', '=luapool/os.lua') own = load('return 2')", 0);
  }
  travels(t, "local x = require return x, {x}, os.tmpname, own",
          "local f, l, named, o = ... assert(f == require and l[1] == f)\n"
          "assert(named ~= os.tmpname and named() == 1 and o ~= own and o() == 2)");
}

static void given_names_are_found(void **state) {
  pair *t = *state;
  lua_State *both[] = {t->home, t->away};
  for (int i = 0; i < 2; i++) {
    run(both[i],
        "Null = {} Class = {__name = 'Class', __index = {hi = function() return 'hi' end}}", 0);
    lua_getglobal(both[i], "Class");
    lp_wire_name(both[i], -1, "test.Class");
    lua_pushlightuserdata(both[i], i ? &t->away : &t->home);
    lua_pushvalue(both[i], -1);
    lua_setglobal(both[i], "token");
    lp_wire_name(both[i], -1, "test.token");
    lua_settop(both[i], 0);
  }
  travels(t, "return {token, token, setmetatable({}, Class), setmetatable({}, Class)}",
          "local t = ... assert(t[1] == token and t[2] == token and t[3]:hi() == 'hi') "
          "assert(getmetatable(t[3]) == Class and getmetatable(t[4]) == Class)");
}

/* A module that names its null when it is opened. */
static int open_naming(lua_State *L) {
  lua_newtable(L);
  lua_newtable(L);
  lp_wire_name(L, -1, "naming.null");
  lua_setfield(L, -2, "null");
  return 1;
}

static void names_require_their_module(void **state) {
  pair *t = *state;
  preload(t->home, "naming", open_naming, NULL);
  preload(t->away, "naming", open_naming, NULL);
  travels(t, "return require 'naming'.null", "assert((...) == package.loaded.naming.null)");
}

/* An object stays with its maker: what travels is what __refer says. */
static void objects_may_stay_with_their_maker(void **state) {
  pair *t = *state;
  preload(t->away, "luapool.desk", NULL,
          "return {receive = function(key) return {got = key} end}");
  const char *make =
      "local class = {__refer = function(o) return 'luapool.desk', 'key ' .. o.n, o.n end} "
      "local a = setmetatable({n = 7, f = io.stdout}, class) "
      "local b = setmetatable({n = 9}, class) "
      "return a, {a, b, f = function() return a end}";
  travels(t, make,
          "local a, list = ... assert(a.got == 'key 7' and list[1] == a and list.f() == a) "
          "assert(list[2].got == 'key 9' and getmetatable(a) == nil)");
  lp_buf objects = {0};
  send_to(t, t->home, t->away, (lp_wire){.objects = &objects}, make, "");
  assert_int_equal(objects.len, 2 * sizeof(uint32_t));
  assert_int_equal(((uint32_t *)objects.data)[0], 7);
  assert_int_equal(((uint32_t *)objects.data)[1], 9);
  lp_buf_close(&objects);
  refuses(t,
          "return {x = setmetatable({}, {__refer = function() return nil, 'it is shy' end})}",
          "argument", "cannot_send: cannot send argument.x: it is shy");
}

static void objects_are_of_luapool_only(void **state) {
  pair *t = *state;
  lua_settop(t->home, 0), lua_settop(t->away, 0);
  lua_pushnil(t->home), lua_pushnil(t->away);
  preload(t->away, "desk", NULL, "return {receive = function(key) return {got = key} end}");
  run(t->home, "return setmetatable({}, {__refer = function() return 'desk', 'a', 1 end})", 0);
  assert_int_equal(encode(t, t->home, &(lp_wire){0}, 1), LUA_OK);
  assert_int_not_equal(decode(t, t->away, &(lp_wire){0}, t->out.data, t->out.len), LUA_OK);
  assert_string_equal(t->error, "module: no objects are made by 'desk'");
}

static void missing_module_is_named(void **state) {
  pair *t = *state;
  lua_settop(t->home, 0), lua_settop(t->away, 0);
  lua_pushnil(t->home), lua_pushnil(t->away);
  run(t->home,
      "package.loaded.only_home = {} local m = package.loaded.only_home\n"
      "return function() return m end",
      0);
  assert_int_equal(encode(t, t->home, &(lp_wire){0}, 1), LUA_OK);
  assert_int_not_equal(decode(t, t->away, &(lp_wire){0}, t->out.data, t->out.len), LUA_OK);
  const char *want =
      "module: upvalue 'm' of the function at job.lua:2: module 'only_home' cannot be "
      "loaded here: module 'only_home' not found:";
  assert_memory_equal(t->error, want, strlen(want));
}

#define HINT "; make it in the worker, once for all of its tasks in 'init'"

static void what_cannot_travel_is_named(void **state) {
  pair *t = *state;
  refuses(t, "return 1, coroutine.create(print)", "argument",
          "cannot_send: cannot send argument #2: thread");
  refuses(t, "return {1, 2, {handle = io.tmpfile()}}", "result",
          "cannot_send: cannot send result[3].handle: file (FILE*)");
  refuses(t, "return {[io.tmpfile()] = 1}", NULL,
          "cannot_send: cannot send value.<key>: file (FILE*)");
  refuses(t, "return setmetatable({}, {['a-b'] = {[2.5] = {[true] = string.gmatch('', '')}}})",
          "result",
          "cannot_send: cannot send result.<metatable>[\"a-b\"][2.5][true]: "
          "a C function that no module names");
  refuses(t, "local log = io.tmpfile()\nfunction fetch() return log end return fetch",
          "function",
          "cannot_send: cannot send upvalue 'log' of function 'fetch' (job.lua:2): file "
          "(FILE*)" HINT);
  refuses(
      t, "local cfg = {db = {handle = io.tmpfile()}} return {go = function() return cfg end}",
      "argument",
      "cannot_send: cannot send upvalue 'cfg' of function 'go' (job.lua:1), at cfg.db.handle: "
      "file (FILE*)" HINT);
  refuses(t,
          "local log = io.tmpfile() local function helper() return log end\n"
          "return function() return helper() end",
          "argument",
          "cannot_send: cannot send upvalue 'log' of function 'helper' (job.lua:1) "
          "(reached from upvalue 'helper' of function (job.lua:2)): file (FILE*)" HINT);
}

/* send(...) in Lua: encodes its arguments, as pool:map does. */
static int send_from_lua(lua_State *L) {
  lp_buf *out = lua_touserdata(L, lua_upvalueindex(1));
  lp_wire_encode(L, &(lp_wire){.noun = "argument"}, 1, lua_gettop(L), out);
  return 0;
}

static void local_functions_have_their_name(void **state) {
  pair *t = *state;
  lua_pushlightuserdata(t->home, &t->out);
  lua_pushcclosure(t->home, send_from_lua, 1);
  lua_setglobal(t->home, "send");
  run(t->home,
      "local log = io.tmpfile() local function fetch() return log end\n"
      "local through = load('local fn = ... send(fn)', '=luapool/pool.lua')\n"
      "local ok, e = pcall(through, fetch)\n"
      "assert(tostring(e.message):find(\"upvalue 'log' of function 'fetch' (job.lua:1): "
      "file\", 1, true), "
      "e.message)",
      0);
}

static void limits_are_errors(void **state) {
  pair *t = *state;
  refuses(t, "local list for i = 1, 1000 do list = {next = list} end return list", "argument",
          "cannot_send: cannot send argument.next.next.next.next.next.next....next.next: "
          "nested deeper than 500 levels");
  travels(
      t, "local list for i = 1, 490 do list = {next = list} end return list",
      "local n, list = 0, ... while list do n, list = n + 1, list.next end assert(n == 490)");
  lp_buf full = {.len = SIZE_MAX / 2, .cap = SIZE_MAX / 2};
  lua_settop(t->home, 0);
  lua_pushnil(t->home);
  lua_pushstring(t->home, "text");
  call c = {.w = &(lp_wire){0}, .n = 1, .out = &full};
  lua_pushcfunction(t->home, encode_call);
  lua_insert(t->home, 2);
  lua_pushlightuserdata(t->home, &c);
  lua_insert(t->home, 3);
  lua_pushnil(t->home);
  lua_insert(t->home, 4);
  assert_int_not_equal(lua_pcall(t->home, 3, 0, 0), LUA_OK);
  assert_string_equal(lp_raise_kind(t->home, -1), "memory");
  assert_true(full.len == SIZE_MAX / 2);
}

static void known_graph(void **state) {
  pair *t = *state;
  lp_wire_graph(t->home);
  lp_wire_graph(t->away);
  send_to(
      t, t->home, t->away, (lp_wire){.known = 1, .record = 1, .protos = &t->protos},
      "Class = {} Class.__index = Class function Class.hi() return 'hi' end "
      "local plain = {Class} local helper = function() return plain end Helper = helper "
      "Base = setmetatable({}, {__call = function() return 'called' end}) setmetatable(Class, "
      "Base) "
      "Obj = setmetatable({}, Class) local o, b = Obj, Base Top = function() return helper(), "
      "o, b end return Top",
      "Top = ... local p, o, b = Top() Class, Obj, Base = getmetatable(o), o, b "
      "Helper = select(2, debug.getupvalue(Top, 1)) assert(b() == 'called' and o.hi() == "
      "'hi') assert(type(Helper) == 'function') "
      "assert(p[1] == Class and getmetatable(Class) == Base)");
  lp_wire w = {.known = 1};
  const char *make = "return Top, Class, setmetatable({}, Class), Base, Class.hi, Obj, Helper";
  const char *check =
      "local top, class, obj, base, hi, o, helper = ... assert(top == Top and class == Class) "
      "assert(getmetatable(obj) == Class and base == Base and hi == Class.hi) "
      "assert(o ~= Obj and getmetatable(o) == Class and helper == Helper)";
  send_to(t, t->home, t->away, w, make, check);
  send_to(t, t->away, t->home, w, make, check);
  assert_int_equal(lua_rawlen(t->home, 1), lua_rawlen(t->away, 1));
}

static void known_graph_with_shared_class(void **state) {
  pair *t = *state;
  lp_wire_graph(t->home);
  lp_wire_graph(t->away);
  send_to(
      t, t->home, t->away, (lp_wire){.known = 1, .record = 1},
      "local shop, c1, c2 = require 'shop', {}, {} C1, C2 = c1, c2 "
      "local list = {C1, setmetatable({}, shop), setmetatable({}, C2), setmetatable({}, C1), "
      "setmetatable({}, shop), setmetatable({}, C2)} function F() return list, c1, c2 end "
      "return F",
      "F = ... local l l, C1, C2 = F() assert(getmetatable(l[3]) == C2 and l[1] == C1)");
  send_to(t, t->away, t->home, (lp_wire){.known = 1}, "return setmetatable({}, C1), C2, F",
          "local o, c, f = ... assert(getmetatable(o) == C1 and c == C2 and f == F)");
}

static void prototypes_go_once(void **state) {
  pair *t = *state;
  lua_pushnil(t->home);
  uint32_t numbers[2];
  for (int i = 0; i < 2; i++) {
    t->protos.len = t->out.len = 0;
    run(t->home,
        "local function f(i) return function() return i end end return f(1), f(2), {f(3)}", 0);
    assert_int_equal(encode(t, t->home, &(lp_wire){.protos = &t->protos}, 3), LUA_OK);
    assert_int_equal(t->protos.len, sizeof(uint32_t));
    memcpy(&numbers[i], t->protos.data, sizeof(uint32_t));
  }
  assert_int_equal(numbers[0], numbers[1]);
}

static void sandbox_refuses_functions(void **state) {
  pair *t = *state;
  const char *makes[] = {"return function() end", "return string", "return {print}",
                         "return _G"};
  lua_pushnil(t->home), lua_pushnil(t->away);
  for (int i = 0; i < 4; i++) {
    t->out.len = 0;
    run(t->home, makes[i], 0);
    assert_int_equal(encode(t, t->home, &(lp_wire){0}, 1), LUA_OK);
    lp_wire w = {.no_functions = 1};
    assert_int_not_equal(decode(t, t->away, &w, t->out.data, t->out.len), LUA_OK);
    assert_memory_equal(t->error, "refused: ", 9);
  }
}

/* A function comes of a prototype that was sent before, or not at all. */
static void bytecode_in_place_can_be_refused(void **state) {
  pair *t = *state;
  lp_wire w = {.no_bytecode = 1};
  lua_pushnil(t->home), lua_pushnil(t->away);
  run(t->home, "return {print, function() end}", 0);
  assert_int_equal(encode(t, t->home, &(lp_wire){0}, 1), LUA_OK);
  assert_int_not_equal(decode(t, t->away, &w, t->out.data, t->out.len), LUA_OK);
  assert_memory_equal(t->error, "refused: ", 9);
  t->out.len = 0;
  run(t->home, "return {print, function() end}", 0);
  assert_int_equal(encode(t, t->home, &(lp_wire){.protos = &t->protos}, 1), LUA_OK);
  learn(t, t->home, t->away);
  assert_int_equal(decode(t, t->away, &w, t->out.data, t->out.len), LUA_OK);
}

/* A reference to an object names a module that has some. */
static void references_to_no_object_are_refused(void **state) {
  pair *t = *state;
  const char bytes[] = "\x10\x15"
                       "Oluapool.error.core\0"
                       "1";
  lua_pushnil(t->away);
  assert_int_not_equal(decode(t, t->away, &(lp_wire){0}, bytes, sizeof bytes - 1), LUA_OK);
  assert_memory_equal(t->error, "module: ", 8);
}

/* Every message cut short and with every byte changed is refused or read, never worse. */
static void damaged_bytes_are_refused(void **state) {
  pair *t = *state;
  lp_wire w = {.no_functions = 1};
  lua_pushnil(t->home), lua_pushnil(t->away);
  run(t->home,
      "local a = {1, -5000, 2.5, 'text', x = {true}, ('long'):rep(30)} a.a = a "
      "return setmetatable(a, {__index = a}), a",
      0);
  assert_int_equal(encode(t, t->home, &w, 2), LUA_OK);
  for (size_t len = t->out.len - 3; len > 0; len--) {
    int status = decode(t, t->away, &w, t->out.data, len);
    assert_int_not_equal(status, LUA_OK);
    assert_memory_equal(t->error, "corrupt: ", 9);
    lua_settop(t->away, 1);
  }
  for (size_t i = 0; i < t->out.len; i++) {
    for (int bit = 0; bit < 8; bit++) {
      t->out.data[i] ^= (char)(1 << bit);
      decode(t, t->away, &w, t->out.data, t->out.len);
      lua_settop(t->away, 1);
      t->out.data[i] ^= (char)(1 << bit);
    }
  }
}

/* A few bytes cannot ask for much memory, however often they say that a table is large. */
static void sizes_are_only_believed_so_far(void **state) {
  pair *t = *state;
  const char table[] = {0x14, 31, '\xff', '\xff', '\xff', '\xff', 0x07, 0, 0};
  lua_pushnil(t->away);
  for (int i = 0; i < 1000; i++) lp_buf_append(&t->out, table, sizeof(table));
  int before = lua_gc(t->away, LUA_GCCOUNT);
  lua_gc(t->away, LUA_GCSTOP);
  assert_int_equal(decode(t, t->away, &(lp_wire){0}, t->out.data, t->out.len), LUA_OK);
  assert_int_equal(lua_gettop(t->away), 1001);
  assert_in_range(lua_gc(t->away, LUA_GCCOUNT) - before, 0, 1000);
}

static void no_bytes_are_no_values(void **state) {
  pair *t = *state;
  lua_pushnil(t->home), lua_pushnil(t->away);
  assert_int_equal(encode(t, t->home, &(lp_wire){0}, 0), LUA_OK);
  assert_int_equal(t->out.len, 0);
  assert_int_equal(decode(t, t->away, &(lp_wire){0}, NULL, 0), LUA_OK);
  assert_int_equal(lua_gettop(t->away), 1);
}

typedef struct failing {
  long left; /* allocations until one fails; negative: never */
} failing;

static void *failing_alloc(void *ud, void *p, size_t old, size_t size) {
  failing *f = ud;
  if (size == 0) return free(p), NULL;
  bool grows = !p || size > old;
  if (grows && f->left > 0 && --f->left == 0) return NULL;
  return realloc(p, size);
}

static lua_State *failing_state(failing *f) {
  f->left = -1;
  lua_State *L = bare_state(lua_newstate(failing_alloc, f));
  luaL_openlibs(L);
  lua_pushnil(L);
  return L;
}

static void every_allocation_may_fail(void **state) {
  pair *t = *state;
  const char *make =
      "local list = {} for i = 1, 40 do list[i] = setmetatable({i, name = 'n' .. i}, list) end "
      "local function f() return list, f, string end list.f = f return f, list, print";
  for (int n = 1; n <= 200; n++) {
    failing a, b;
    pair p = {.home = failing_state(&a), .away = failing_state(&b)};
    lp_wire w = {.protos = n % 2 ? &p.protos : NULL};
    int count = run(p.home, make, 0);
    lp_buf_append(&p.out, "x", 1);
    for (int i = 0; i < 3; i++) lua_pushvalue(p.home, -3);
    a.left = n;
    int status = encode(&p, p.home, &w, count);
    a.left = -1;
    if (status != LUA_OK) {
      assert_int_equal(p.out.len, 1);
      assert_int_equal(p.protos.len, 0);
      run(p.home, make, 0);
      assert_int_equal(encode(&p, p.home, &w, count), LUA_OK);
    }
    if (w.protos) learn(&p, p.home, p.away);
    b.left = n;
    status = decode(&p, p.away, &w, p.out.data + 1, p.out.len - 1);
    b.left = -1;
    if (status != LUA_OK) {
      assert_int_equal(decode(&p, p.away, &w, p.out.data + 1, p.out.len - 1), LUA_OK);
    }
    teardown(&(void *){memcpy(malloc(sizeof(p)), &p, sizeof(p))});
  }
  (void)t;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      CASE(numbers_keep_type_and_value),
      CASE(strings_hold_any_byte),
      CASE(tables_keep_their_content),
      CASE(sharing_and_cycles_are_kept),
      CASE(metatables_come_along),
      CASE(gc_after_arrival),
      CASE(finalizers_and_closers_work),
      CASE(functions_bring_their_upvalues),
      CASE(first_upvalue_need_not_be_env),
      CASE(globals_are_the_receivers),
      CASE(recursive_functions_work),
      CASE(closures_share_upvalues),
      CASE(vararg_and_nested_functions_work),
      CASE(modules_go_by_name),
      CASE(later_modules_are_noticed),
      CASE(c_functions_go_by_name),
      CASE(streams_and_tokens_go_by_name),
      CASE(functions_of_luapool_go_by_name),
      CASE(replaced_standard_functions_go_by_name),
      CASE(given_names_are_found),
      CASE(names_require_their_module),
      CASE(objects_may_stay_with_their_maker),
      CASE(objects_are_of_luapool_only),
      CASE(missing_module_is_named),
      CASE(what_cannot_travel_is_named),
      CASE(local_functions_have_their_name),
      CASE(limits_are_errors),
      CASE(known_graph),
      CASE(known_graph_with_shared_class),
      CASE(prototypes_go_once),
      CASE(sandbox_refuses_functions),
      CASE(bytecode_in_place_can_be_refused),
      CASE(references_to_no_object_are_refused),
      CASE(damaged_bytes_are_refused),
      CASE(sizes_are_only_believed_so_far),
      CASE(no_bytes_are_no_values),
      CASE(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
