# Time slices are not seen by scripts: the programs in slices/ print the same as under a plain lua5.4,
# wherever a task is suspended and resumed. 0.1 ms slices it at every tick of the CPU clock.
. tests/support/cli.sh

for program in coroutines generators work hooks standard; do
  lua5.4 "tests/cli/slices/$program.lua" >"$tap_dir/$program"
  for slice in 0.1 10 0; do
    it "runs $program as stock Lua does, in slices of $slice ms"
    run luapool run --slice "$slice" "tests/cli/slices/$program.lua"
    expect_status 0
    expect cmp "$tap_dir/$program" "$work/out"
    expect_err ""
  done
done

for order in fifo lifo priority; do
  it "does not cut a method of luapool.sync in two ($order)"
  run luapool run --slice 0.05 tests/cli/slices/sync.lua -- $order
  expect_status 0
  expect_err ""
done

it "does not cut a method of a job's source in two"
run luapool run --slice 0.05 tests/cli/slices/source.lua
expect_status 0
expect_err ""

it "does not cut a line in two"
run luapool run --slice 0.05 tests/cli/slices/lines.lua
expect_status 0
expect_out exact

it "lets others run beside a task that never waits"
cat >"$work/endless.lua" <<'END'
local task = require "luapool.task"
local function forever() while true do end end
local function nested() coroutine.wrap(function() coroutine.wrap(forever)() end)() end
local function caught() while true do pcall(forever) end end
local function yields() while true do coroutine.yield(1) end end
local function to_and_fro() for _ in coroutine.wrap(yields) do end end
local function rehooks() while true do debug.sethook() end end
local function unhooks() while true do pcall(debug.sethook, 1) end end
local function asks() while true do debug.gethook() end end
local named = load("while true do end", "=luapool/task.lua\0\3")
local functions = { named, to_and_fro, forever, nested, caught, rehooks, unhooks, asks }
for _, f in ipairs(functions) do task.spawn(f) end
for _ = 1, 3 do task.sleep(0.001) end
print "awake"
os.exit(0, false)
END
run timeout -s KILL 20 "$LUAPOOL" run --slice 1 "$work/endless.lua"
expect_status 0
expect_out awake

it "lets a cancelled task compute in a <close> handler for as long as it wants"
cat >"$work/cleans.lua" <<'END'
local task = require "luapool.task"
local t = task.spawn(function()
  local _ <close> = setmetatable({}, {
    __close = function()
      local start = os.clock()
      while os.clock() < start + 2 do end
      print "clean"
    end,
  })
  while true do end
end)
task.sleep(0.02)
t:cancel()
print(t:result())
END
run timeout -s KILL 60 "$LUAPOOL" run --slice 0.1 "$work/cleans.lua"
expect_status 0
expect_out_like '^clean$'
expect_out_like 'cancelled'

it "lets a task that computes go on beside those that are always ready"
cat >"$work/ready.lua" <<'END'
local sync, task = require "luapool.sync", require "luapool.task"
local there, back, done = sync.queue(), sync.queue(), false
task.spawn(function()
  for item in there:iter() do back:put(item) end
end)
task.spawn(function()
  repeat
    there:put(1)
    back:get()
  until done
  there:close()
end)
task.spawn(function() while not done do task.yield() end end)
local function burn()
  local stop = os.clock() + 0.1
  while os.clock() < stop do end
end
for _ = 1, 3 do burn() end
done = true
print "done"
END
run timeout -s KILL 20 "$LUAPOOL" run --slice 1 "$work/ready.lua"
expect_status 0
expect_out "done"

it "takes a slice as milliseconds only"
run luapool run --slice -1 "$work/endless.lua"
expect_status 2
expect_err_like "'--slice' must be a number of milliseconds"

# Ten tasks that compute for 0.2 s of CPU each, and one that ticks every 20 ms: prints the longest
# CPU time between two ticks, in milliseconds.
cat >"$tap_dir/ticks.lua" <<'END'
local task = require "luapool.task"
local function burn(seconds)
  local used, last = 0, os.clock()
  while used < seconds do
    for _ = 1, 1000 do end
    local now = os.clock()
    if now - last < 0.005 then used = used + (now - last) end -- more: others ran meanwhile
    last = now
  end
end
local longest, last = 0, os.clock()
local function tick()
  local now = os.clock()
  longest, last = math.max(longest, now - last), now
end
local ticker = task.every(0.02, tick)
local tasks = {}
for i = 1, 10 do tasks[i] = task.spawn(burn, 0.2) end
task.wait(tasks)
tick()
ticker:stop()
print(math.ceil(longest * 1000))
END

# The CPU clock of a thread is read when the kernel's clock ticks while the thread runs: on a busy
# machine a slice may take several ticks more.
it "lets a task tick every 20 ms beside ten that compute, long before they are done"
run luapool run "$tap_dir/ticks.lua"
expect_status 0
expect [ "$(cat "$work/out")" -lt 400 ]

it "does not without slices"
run luapool run --slice 0 "$tap_dir/ticks.lua"
expect_status 0
expect [ "$(cat "$work/out")" -gt 400 ]

# A slice that ends between two calls of a worker must not leave the rest of them lying.
it "goes on with the calls that a worker has not started"
cat >"$work/calls.lua" <<'END'
local p <close> = require("luapool.pool").new { processes = 2 }
local function burn()
  local x = 0
  for i = 1, 20000 do x = x + i end
  return x
end
local items, n = {}, 0
for i = 1, 120 do items[i] = i end
for _ = 1, 20 do n = n + p:map(burn, items, { ordered = false }):drain() end
print(n)
END
run luapool run --slice 1 "$work/calls.lua"
expect_status 0
expect_out 2400

it "takes turns of a slice, not of two"
cat >"$work/turns.lua" <<'END'
local task = require "luapool.task"
local turns, last, over = 0, nil, false
local function compute(me)
  while not over do
    if last ~= me then
      turns, last = turns + 1, me
      over = os.clock() > 0.8
    end
  end
end
local tasks = {}
for i = 1, 5 do tasks[i] = task.spawn(compute, i) end
task.wait(tasks)
print(turns)
END
run luapool run "$work/turns.lua"
expect_status 0
expect [ "$(cat "$work/out")" -ge 42 ]
