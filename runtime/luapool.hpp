/* luapool.hpp: luapool.h for C++17. What is opened is closed when its object goes, objects can
 * be moved, and a call that fails throws luapoolxx::error. Which thread may call what, and who
 * owns what, is as in luapool.h.
 *
 * Exceptions and the errors of Lua must not cross each other's frames:
 * - No exception may leave a function that C calls: a callback of the options, a watcher, a
 *   function for Lua. luapoolxx::function<f> is f for Lua, which makes exceptions errors of
 * Lua; runtime::protect hands them on to its caller.
 * - A function of lua.h that raises leaves by longjmp, which runs no destructors: where one is
 *   called no object with a destructor may be alive. Check the arguments first, then compute.
 */
#ifndef LUAPOOL_HPP
#define LUAPOOL_HPP

#include <cstdio>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <lua.hpp>

#include "luapool.h"

namespace luapoolxx {

/* A call that has failed: its code of luapool.h, and its text. */
class error : public std::runtime_error {
public:
  error(int code, const std::string &text) : std::runtime_error(text), code_(code) {}
  int code() const noexcept { return code_; }

private:
  int code_;
};

/* A nil, boolean, number, string or pointer. The bytes of a string are not copied: those of an
 * argument must live during the call, those of a result live until the task is released. */
struct value : luapool_value {
  value() noexcept : luapool_value() {}
  value(const luapool_value &v) noexcept : luapool_value(v) {}
  value(std::nullptr_t) noexcept : value() {}
  value(const char *s) noexcept : value(std::string_view(s)) {}
  value(const std::string &s) noexcept : value(std::string_view(s)) {}
  value(std::string_view s) noexcept : value() {
    type = LUAPOOL_STRING;
    as.string.bytes = s.data();
    as.string.len = s.size();
  }
  value(void *p) noexcept : value() {
    type = LUAPOOL_POINTER;
    as.pointer = p;
  }
  template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
  value(T n) noexcept : value() {
    type = type_of<T>;
    if constexpr (std::is_floating_point_v<T>)
      as.number = static_cast<double>(n);
    else
      as.integer = static_cast<int64_t>(n);
  }

  bool is_nil() const noexcept { return type == LUAPOOL_NIL; }

  /* What it is as a bool, a number type or std::string_view; nothing when it is no such value.
   */
  template <class T> std::optional<T> get() const noexcept {
    if constexpr (std::is_same_v<T, std::string_view>) {
      if (type == LUAPOOL_STRING) return T(as.string.bytes, as.string.len);
    } else if constexpr (std::is_floating_point_v<T>) {
      if (type == LUAPOOL_NUMBER) return static_cast<T>(as.number);
      if (type == LUAPOOL_INTEGER) return static_cast<T>(as.integer);
    } else {
      if (type == type_of<T>) return static_cast<T>(as.integer);
    }
    return std::nullopt;
  }

private:
  template <class T>
  static constexpr int32_t type_of = std::is_same_v<T, bool>       ? LUAPOOL_BOOLEAN
                                     : std::is_floating_point_v<T> ? LUAPOOL_NUMBER
                                                                   : LUAPOOL_INTEGER;
};

/* A task that the host follows. It may outlive its runtime. */
class task {
public:
  task() noexcept = default;
  explicit task(luapool_task *t) noexcept : ref_(t) {}
  luapool_task *get() const noexcept { return ref_.get(); }
  explicit operator bool() const noexcept { return ref_ != nullptr; }

  /* MORE while it lives, then OK or the code that it failed with. */
  int status() const noexcept { return luapool_task_status(get()); }

  /* Message and traceback of a task that has failed. */
  const char *message() const noexcept { return luapool_task_error(get()); }

  /* Its i-th result, nil where there is none. Throws when it has failed. */
  value result(int i = 0) const {
    value v;
    int n = luapool_task_result(get(), i, &v);
    if (n < 0) throw error(n, message());
    return v;
  }

  void cancel() const noexcept { luapool_task_cancel(get()); }

private:
  struct release {
    void operator()(luapool_task *t) const noexcept { luapool_task_release(t); }
  };
  std::unique_ptr<luapool_task, release> ref_;
};

/* An environment of a runtime, which it must not outlive. */
class env {
public:
  env() noexcept = default;
  explicit env(luapool_env *e) noexcept : env_(e) {}
  luapool_env *get() const noexcept { return env_.get(); }

private:
  struct release {
    void operator()(luapool_env *e) const noexcept { luapool_env_release(e); }
  };
  std::unique_ptr<luapool_env, release> env_;
};

/* All defaults; set the fields that matter. */
inline luapool_options defaults() noexcept {
  luapool_options options = luapool_options();
  options.size = sizeof options;
  return options;
}

/* A runtime, closed when it goes: not in a callback or a C function of its own. */
class runtime {
public:
  using values = std::initializer_list<value>;

  explicit runtime(const luapool_options &options = defaults()) { take(luapool_open, options); }
  runtime(lua_State *L, uv_loop_s *loop, const luapool_options &options = defaults()) {
    take([=](luapool **rt, auto *o) { return luapool_attach(rt, L, loop, o); }, options);
  }
  luapool *get() const noexcept { return rt_.get(); }

  /* True while work is left that could go on now. */
  bool step(int64_t budget_us) const { return check(luapool_step(get(), budget_us)) > 0; }

  /* Runs until the task has ended; throws when that fails. */
  void run(const task &until) const { check(luapool_run(get(), until.get())); }

  /* Runs until all tasks have ended. */
  void run() const { check(luapool_run(get(), nullptr)); }

  int fd() const { return check(luapool_fd(get())); }
  int64_t timeout_us() const noexcept { return luapool_timeout_us(get()); }
  void interrupt() const noexcept { luapool_interrupt(get()); }

  env new_env(unsigned allowed = 0) const {
    env e(luapool_env_new(get(), allowed));
    if (!e.get()) throw error(LUAPOOL_EMEMORY, "not enough memory");
    return e;
  }

  task load(std::string_view text, const char *chunk, values args = {},
            const env &in = env()) const {
    luapool_task *t = nullptr;
    list a(args);
    check(luapool_load(get(), in.get(), text.data(), text.size(), chunk, a.get(), a.n, &t));
    return task(t);
  }
  task load_file(const char *path, values args = {}, const env &in = env()) const {
    luapool_task *t = nullptr;
    list a(args);
    check(luapool_load_file(get(), in.get(), path, a.get(), a.n, &t));
    return task(t);
  }
  task start(const char *function, values args = {}, const env &in = env()) const {
    luapool_task *t = nullptr;
    list a(args);
    check(luapool_start(get(), in.get(), function, a.get(), a.n, &t));
    return task(t);
  }

  void module(const char *name, lua_CFunction open) const {
    check(luapool_module(get(), name, open));
  }

  /* Calls f(L), where functions of lua.h may raise; an exception of f is thrown here. */
  template <class F> void protect(F &&f) const {
    std::pair<F &, std::exception_ptr> call(f, nullptr);
    int rc = luapool_protect(get(), call_protected<F>, &call);
    if (call.second) std::rethrow_exception(call.second);
    check(rc);
  }

private:
  struct close {
    void operator()(luapool *rt) const noexcept { luapool_close(rt); }
  };
  std::unique_ptr<luapool, close> rt_;

  /* Values as C takes them, in a row. */
  struct list {
    std::unique_ptr<luapool_value[]> items;
    int n = 0;
    explicit list(values args) : items(new luapool_value[args.size()]) {
      for (const value &v : args) items[static_cast<size_t>(n++)] = v;
    }
    const luapool_value *get() const noexcept { return items.get(); }
  };

  template <class Open> void take(Open open, const luapool_options &options) {
    luapool *rt = nullptr;
    int rc = open(&rt, &options);
    if (rc < 0) throw error(rc, "cannot open a runtime: code " + std::to_string(rc));
    rt_.reset(rt);
  }

  int check(int rc) const {
    if (rc < 0) throw error(rc, luapool_error(get()));
    return rc;
  }

  template <class F> static int call_protected(lua_State *L) {
    auto *call = static_cast<std::pair<F &, std::exception_ptr> *>(lua_touserdata(L, 1));
    try {
      call->first(L);
    } catch (...) {
      call->second = std::current_exception();
    }
    return 0;
  }
};

/* F for Lua: `lua_pushcfunction(L, luapoolxx::function<f>)`. */
template <int (*F)(lua_State *)> int function(lua_State *L) {
  char text[512] = "a C++ exception";
  try {
    return F(L);
  } catch (const std::exception &e) {
    std::snprintf(text, sizeof text, "%s", e.what());
  } catch (...) {
  }
  lua_pushstring(L, text); /* it may raise, so not where the exception is alive */
  return lua_error(L);
}

/* The duty to answer a call, once, from any thread. One that goes unanswered cancels. */
class answer {
public:
  answer() noexcept = default;
  explicit answer(luapool_call *c) noexcept : call_(c) {}

  /* What luapool_await takes. */
  luapool_call *get() const noexcept { return call_.get(); }

  /* Hands the duty over to somebody who answers with luapool_answer. */
  luapool_call *release() noexcept { return call_.release(); }
  void operator()(int status = LUAPOOL_OK) noexcept {
    if (call_) luapool_answer(call_.release(), status);
  }

private:
  struct give_up {
    void operator()(luapool_call *c) const noexcept { luapool_answer(c, LUAPOOL_ECANCELLED); }
  };
  std::unique_ptr<luapool_call, give_up> call_;
};

/* A call is a T: `static constexpr const char *name`, `int results(lua_State *, int status)`,
 * and if it can be cancelled `void cancel(luapool_call *) noexcept`. In a function for Lua:
 *
 *     auto job = std::make_unique<lookup>(luaL_checkstring(L, 1));
 *     lookup *work = job.get();
 *     luapoolxx::answer done = luapoolxx::call(L, std::move(job));
 *     luapool_call *call = done.get();
 *     pool.submit([work, done = std::move(done)]() mutable { work->run(); done(); });
 *     return luapool_await(L, call, -1); */
template <class T, class = void> struct cancel_of {
  static constexpr void (*function)(luapool_call *, void *) = nullptr;
};
template <class T>
struct cancel_of<T, std::void_t<decltype(std::declval<T &>().cancel(nullptr))>> {
  static void function(luapool_call *c, void *job) { static_cast<T *>(job)->cancel(c); }
};

template <class T> answer call(lua_State *L, std::unique_ptr<T> job) {
  static const luapool_call_class kind = {
      sizeof kind, T::name,
      [](lua_State *state, luapool_call *c, void *p) {
        return static_cast<T *>(p)->results(state, luapool_call_status(c));
      },
      cancel_of<T>::function, [](void *p) { delete static_cast<T *>(p); }};
  return answer(luapool_call_new(L, &kind, job.release()));
}

} // namespace luapoolxx

#endif
