# `require "luapool"` in a plain lua5.4: tests/spec runs there as well (make module); here stands what is of the
# module alone.
. tests/support/cli.sh

build=${LUAPOOL%/*}

# Runs the script of stdin by a plain lua5.4, beside the installed tree.
plain() {
  cat >"$work/script.lua"
  run tests/support/installed "$build" env ${PRELOAD:+LD_PRELOAD="$PRELOAD"} lua5.4 "$work/script.lua" "$@"
}

# A sanitizer's runtime has to be there before the library that was built with it.
if ldd "$build/libluapool.so.0" | grep -q libasan; then PRELOAD=$(gcc -print-file-name=libasan.so); fi

it "runs main as a task, and returns its results"
plain <<'LUA'
local luapool = require "luapool"
local task = require "luapool.task"
print(luapool.run(function(a, b)
  local results = { task.all(function() task.sleep(0.01) return a end, function() return b end) }
  return table.unpack(results)
end, 1, "two"))
LUA
expect_status 0
expect_out "1	two"
expect_err ""

it "raises the error of main, as it is"
plain <<'LUA'
local luapool, err = require "luapool", require "luapool.error"
local ok, e = pcall(luapool.run, function() require "luapool.fs".read "/nowhere" end)
print(ok, type(e), e.kind)
local mine = {}
print(select(2, pcall(luapool.run, function() error(mine) end)) == mine)
print(pcall(luapool.run, function() error("text", 0) end))
print(pcall(luapool.run))
LUA
expect_status 0
expect_out_like '^false	table	fs$'
expect_out_like '^true$'
expect_out_like '^false	text$'
expect_out_like 'bad argument #1'

it "changes no global and no library, but while main runs"
plain <<'LUA'
local names = { "_G", "coroutine", "debug", "io", "os", "string", "table", "math", "utf8", "package" }
local function note()
  local all = {}
  for _, name in ipairs(names) do
    for key, value in pairs(package.loaded[name]) do all[name .. "." .. key] = value end
  end
  return all
end
local function changes(before)
  local after, list = note(), {}
  for key, value in pairs(after) do if before[key] ~= value then list[#list + 1] = key end end
  for key in pairs(before) do if after[key] == nil then list[#list + 1] = key end end
  table.sort(list)
  return table.concat(list, " ")
end
local before = note()
local luapool = require "luapool"
print("required:" .. changes(before))
print(luapool.run(function() return changes(before):find("coroutine.wrap", 1, true) ~= nil end))
print("run:" .. changes(before))
pcall(luapool.run, error)
print("failed:" .. changes(before))
luapool.run(function() mine = 1 end)
print("own:" .. changes(before))
LUA
expect_out "required:
true
run:
failed:
own:_G.mine"

it "lets waits pass through coroutines, pcall and require"
mkdir -p "$work/lib"
echo 'require("luapool.task").sleep(0.01) return "loaded"' >"$work/lib/waits.lua"
plain "$work/lib" <<'LUA'
local luapool, task = require "luapool", require "luapool.task"
package.path = arg[1] .. "/?.lua;" .. package.path
luapool.run(function()
  local co = coroutine.wrap(function() task.sleep(0.01) coroutine.yield("one") task.sleep(0.01) return "two" end)
  print(co(), co())
  print(pcall(function() task.sleep(0.01) error("x", 0) end))
  print((require "waits"))
end)
LUA
expect_status 0
expect_out "one	two
false	x
loaded"

it "has time slices"
plain <<'LUA'
local luapool, task = require "luapool", require "luapool.task"
luapool.run(function()
  local done = false
  local busy = task.spawn(function() while not done do end return "stopped" end)
  task.sleep(0.01)
  done = true
  print(busy:await())
end)
LUA
expect_status 0
expect_out "stopped"

it "starts pools"
plain <<'LUA'
local luapool, pool = require "luapool", require "luapool.pool"
luapool.run(function()
  local p <close> = pool.new { processes = 2 }
  local sum = 0
  for _, square in p:map(function(x) return x * x end, { 1, 2, 3 }) do sum = sum + square end
  print(sum)
end)
LUA
expect_status 0
expect_out 14

it "runs again and again, and what main has left goes on"
plain <<'LUA'
local luapool, task = require "luapool", require "luapool.task"
local left
luapool.run(function() left = task.spawn(function() task.sleep(0.01) return "done" end) end)
print(luapool.run(function() return left:await() end))
luapool.run(function() luapool.run(function() print "inside" end) end)
luapool.run(function() task.spawn(function() task.sleep(1000) end) end)
LUA
expect_status 0
expect_out "done
inside"

it "tells of a deadlock, and lives on"
plain <<'LUA'
local luapool, task = require "luapool", require "luapool.task"
local ok, message = pcall(luapool.run, function() task.promise():await() end)
print(ok, (tostring(message):match "^[^\n]*"))
print(luapool.run(function() task.sleep(0.01) return "on" end))
LUA
expect_status 0
expect_out "false	nothing can wake any task any more:
on"

it "gives everything back when the state is closed"
if [ -n "${PRELOAD-}" ] || ! command -v valgrind >/dev/null; then
  skip "this build has a sanitizer, which has watched the tests above"
else
  # Without slices: valgrind cannot deliver a signal below the large frame in which libuv polls.
  cat >"$work/script.lua" <<'LUA'
local luapool, task = require "luapool", require "luapool.task"
require "luapool.core".slice(0)
luapool.run(function()
  task.spawn(function() task.sleep(1000) end)
  require "luapool.sync".queue():put(1)
end)
LUA
  run tests/support/installed "$build" valgrind --quiet --error-exitcode=99 --leak-check=full \
    --errors-for-leak-kinds=definite --suppressions=tests/embed/valgrind.supp lua5.4 "$work/script.lua"
  expect_status 0
fi
