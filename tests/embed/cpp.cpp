/* luapool.hpp: objects that close what they hold, exceptions, values, calls that threads
 * answer. pkg-config: lua5.4 */
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <luapool.hpp>

#include "check.h"

using luapoolxx::error;
using luapoolxx::runtime;
using luapoolxx::task;
using luapoolxx::value;

static luapool_options all() {
  luapool_options options = luapoolxx::defaults();
  options.allowed = LUAPOOL_ALLOW_ALL;
  return options;
}

/* What is thrown has this code; 0 when nothing is. */
template <class F> static int code_of(F f) {
  try {
    f();
  } catch (const error &e) {
    return e.code();
  }
  return 0;
}

static void test_values() {
  runtime rt(all());
  task t = rt.load("return select('#', ...), ...", "=v",
                   {nullptr, true, 7, 2.5, "text", std::string("a\0b", 3), &rt});
  rt.run(t);
  CHECK_INT(7, t.result().get<int>().value_or(0));
  CHECK(t.result(1).is_nil());
  CHECK(t.result(2).get<bool>() == true);
  CHECK(t.result(3).get<long>() == 7);
  CHECK(t.result(3).get<double>() == 7.0);
  CHECK(t.result(4).get<double>() == 2.5);
  CHECK(!t.result(4).get<int>());
  CHECK(t.result(5).get<std::string_view>() == "text");
  CHECK(t.result(6).get<std::string_view>() == std::string_view("a\0b", 3));
  CHECK(t.result(7).type == LUAPOOL_POINTER && t.result(7).as.pointer == &rt);
  CHECK(!t.result(5).get<bool>() && !t.result(2).get<int>());
  CHECK(t.result(99).is_nil());
}

static void test_errors() {
  runtime rt(all());
  CHECK_INT(LUAPOOL_ESYNTAX, code_of([&] { rt.load("return return", "=e"); }));
  task t = rt.load("error 'boom'", "=e");
  CHECK_INT(LUAPOOL_ERUN, code_of([&] { rt.run(t); }));
  CHECK_INT(LUAPOOL_ERUN, t.status());
  CHECK_LIKE("boom", t.message());
  CHECK_INT(LUAPOOL_ERUN, code_of([&] { t.result(); }));
  CHECK_INT(LUAPOOL_ESYSTEM, code_of([&] { rt.load_file("/nonexistent.lua"); }));
  CHECK_INT(LUAPOOL_ERUN, code_of([&] { rt.start("no.such.function"); }));
  luapool_options wrong = luapoolxx::defaults();
  wrong.size = 1;
  CHECK_INT(LUAPOOL_EARGUMENT, code_of([&] { runtime none(wrong); }));
}

static void test_moves() {
  runtime a(all());
  task t = a.load("return ...", "=m", {5});
  runtime b = std::move(a);
  CHECK(!a.get());
  task u = std::move(t);
  CHECK(!t && u);
  b.run(u);
  CHECK_INT(5, u.result().get<int>().value_or(0));
  std::vector<runtime> many;
  many.push_back(std::move(b));
  many.emplace_back(all());
  CHECK(u.result().get<int>() == 5);
}

/* References may outlive the runtime. */
static void test_task_outlives() {
  task t;
  {
    runtime rt(all());
    t = rt.load("require('luapool.task').sleep(60)", "=o");
    while (rt.step(1000)) {
    }
  }
  CHECK_INT(LUAPOOL_ECANCELLED, t.status());
}

static int throws_std(lua_State *) {
  throw std::runtime_error("out of range");
}

static int throws_other(lua_State *) {
  throw 42;
}

static int raises(lua_State *L) {
  return luaL_error(L, "raised");
}

static void test_exceptions() {
  runtime rt(all());
  rt.protect([](lua_State *L) {
    lua_pushcfunction(L, luapoolxx::function<throws_std>);
    lua_setglobal(L, "throws_std");
    lua_pushcfunction(L, luapoolxx::function<throws_other>);
    lua_setglobal(L, "throws_other");
    lua_pushcfunction(L, luapoolxx::function<raises>);
    lua_setglobal(L, "raises");
  });
  task t = rt.load("local function text(f) return select(2, pcall(f)) end\n"
                   "return text(throws_std), text(throws_other), text(raises)",
                   "=x");
  rt.run(t);
  CHECK(t.result(0).get<std::string_view>() == "out of range");
  CHECK(t.result(1).get<std::string_view>() == "a C++ exception");
  CHECK(t.result(2).get<std::string_view>() == "raised");

  bool thrown = false;
  try {
    rt.protect([](lua_State *) { throw std::out_of_range("mine"); });
  } catch (const std::out_of_range &) {
    thrown = true;
  }
  CHECK(thrown);
  CHECK_INT(LUAPOOL_ERUN, code_of([&] { rt.protect([](lua_State *L) { raises(L); }); }));
  CHECK_INT(LUAPOOL_ERUN, code_of([&] { rt.run(rt.load("raises()", "=x")); }));
}

/* ---- calls ---- */

static std::atomic<int> alive{0}, cancelled{0};
static std::vector<std::thread> threads;

struct doubling {
  static constexpr const char *name = "double";
  explicit doubling(double number) : x(number) { alive++; }
  ~doubling() { alive--; }
  int results(lua_State *L, int status) {
    if (status < 0) return luaL_error(L, "failed with %d", status);
    lua_pushnumber(L, x);
    return 1;
  }
  void cancel(luapool_call *call) noexcept {
    cancelled++;
    luapool_answer(call, LUAPOOL_ECANCELLED);
  }
  double x;
};

static int double_of(lua_State *L) {
  double x = luaL_checknumber(L, 1);
  auto job = std::make_unique<doubling>(x);
  doubling *work = job.get();
  luapoolxx::answer done = luapoolxx::call(L, std::move(job));
  luapool_call *call = done.get();
  threads.emplace_back([work, done = std::move(done)]() mutable {
    work->x *= 2;
    done(work->x < 0 ? LUAPOOL_ERUN : LUAPOOL_OK);
  });
  return luapool_await(L, call, -1);
}

/* Nobody answers: the duty is dropped. */
static int forgets(lua_State *L) {
  luapoolxx::answer done = luapoolxx::call(L, std::make_unique<doubling>(1));
  luapool_call *call = done.get();
  done = luapoolxx::answer();
  return luapool_await(L, call, -1);
}

/* Answered when it is cancelled. */
static int keeps(lua_State *L) {
  luapool_call *call = luapoolxx::call(L, std::make_unique<doubling>(1)).release();
  return luapool_await(L, call, luaL_optnumber(L, 1, -1));
}

static int open_host(lua_State *L) {
  static const luaL_Reg functions[] = {{"double", luapoolxx::function<double_of>},
                                       {"forgets", luapoolxx::function<forgets>},
                                       {"keeps", luapoolxx::function<keeps>},
                                       {nullptr, nullptr}};
  luaL_newlib(L, functions);
  return 1;
}

static void test_calls() {
  {
    runtime rt(all());
    rt.module("host", open_host);
    task t = rt.load("local host, task = require 'host', require 'luapool.task'\n"
                     "local tasks, sum = {}, 0\n"
                     "for i = 1, 50 do tasks[i] = task.spawn(host.double, i) end\n"
                     "for i = 1, 50 do sum = sum + tasks[i]:await() end\n"
                     "local failed = select(2, pcall(host.double, -1))\n"
                     "local forgotten = select(2, pcall(host.forgets))\n"
                     "local late = select(2, pcall(host.keeps, 0.001))\n"
                     "return sum, failed, forgotten.kind, late.kind",
                     "=c");
    rt.run(t);
    CHECK(t.result(0).get<double>() == 2550.0);
    CHECK_LIKE("failed with -2", t.result(1).as.string.bytes);
    CHECK(t.result(2).get<std::string_view>() == "cancelled");
    CHECK(t.result(3).get<std::string_view>() == "timeout");
    CHECK_INT(1, cancelled);
    task waits = rt.load("require('host').keeps()", "=c");
    while (rt.step(1000)) {
    }
  }
  CHECK_INT(2, cancelled);
  for (std::thread &thread : threads) thread.join();
  threads.clear();
  CHECK_INT(0, alive);
}

/* Outside of a task none can be made, and nothing leaks. */
static void test_call_outside() {
  runtime rt(all());
  CHECK_INT(LUAPOOL_ERUN, code_of([&] { rt.protect([](lua_State *L) { forgets(L); }); }));
  CHECK_INT(0, alive);
}

int main() {
  test_values();
  test_errors();
  test_moves();
  test_task_outlives();
  test_exceptions();
  test_calls();
  test_call_outside();
  return check_done();
}
