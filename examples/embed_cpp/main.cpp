// A weather station in C++17: sensors are read by threads, what they mean is decided by
// scripts.
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <luapool.hpp>

namespace {

// A reading is an asynchronous call: a thread fills it in, the task pushes it.
struct reading {
  static constexpr const char *name = "station.read";
  explicit reading(int sensor_number) : sensor(sensor_number) {}

  void run() { celsius = 10.0 + sensor * 1.5; } // as slow as the hardware is

  int results(lua_State *L, int status) const {
    if (status < 0) return luaL_error(L, "sensor %d does not answer", sensor);
    lua_pushnumber(L, celsius);
    return 1;
  }

  int sensor;
  double celsius = 0;
};

std::vector<std::thread> threads; // joined at the end: they may answer late

// station.read(sensor) -> degrees. Arguments are checked before there are objects that a Lua
// error would leave behind.
int station_read(lua_State *L) {
  int sensor = static_cast<int>(luaL_checkinteger(L, 1));
  luaL_argcheck(L, 1 <= sensor && sensor <= 8, 1, "there is no such sensor");
  auto job = std::make_unique<reading>(sensor);
  reading *work = job.get();
  luapoolxx::answer done = luapoolxx::call(L, std::move(job));
  luapool_call *call = done.get();
  threads.emplace_back([work, done = std::move(done)]() mutable {
    work->run();
    done(); // without it the call is cancelled when the thread ends
  });
  return luapool_await(L, call, 1.0);
}

int open_station(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, luapoolxx::function<station_read>); // its exceptions become Lua errors
  lua_setfield(L, -2, "read");
  return 1;
}

constexpr std::string_view script = R"lua(
  local task = require "luapool.task"
  local station = require "station"

  function warmest(...)
    local tasks, best, at = {}, -math.huge, nil
    for i, sensor in ipairs{...} do tasks[i] = task.spawn(station.read, sensor) end
    for i, t in ipairs(tasks) do
      local celsius = t:await()
      if celsius > best then best, at = celsius, (select(i, ...)) end
    end
    return at, best
  end
)lua";

void run() {
  luapoolxx::runtime rt;
  rt.module("station", open_station);
  rt.run(rt.load(script, "=script"));

  luapoolxx::task task = rt.start("warmest", {2, 7, 5});
  rt.run(task);
  std::printf("sensor %d: %.1f degrees\n", task.result(0).get<int>().value_or(0),
              task.result(1).get<double>().value_or(0));

  try {
    rt.run(rt.start("warmest", {99}));
  } catch (const luapoolxx::error &e) {
    std::string_view text = e.what();
    std::printf("refused: %s\n", std::string(text.substr(0, text.find('\n'))).c_str());
  }
}

} // namespace

int main() {
  int status = 0;
  try {
    run();
  } catch (const std::exception &e) {
    std::fprintf(stderr, "%s\n", e.what());
    status = 1;
  }
  for (std::thread &t : threads) t.join();
  return status;
}
