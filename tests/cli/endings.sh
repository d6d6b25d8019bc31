# What is under way when a script ends, in whatever way: nothing is left and nobody crashes.
. tests/support/cli.sh

script() { for line; do echo "$line"; done >"$work/script.lua"; }

pools='local pool, task = require "luapool.pool", require "luapool.task"
local p = pool.new { processes = 2, concurrency = 2 }
local function nap(s) require("luapool.task").sleep(s) return s end
local function spin() while true do end end
p:apply(nap, 0)
for _ = 1, 3 do p:submit(nap, 100) end
p:submit(pcall, spin)
p:map(nap, function() return 100 end)
task.sleep(0.05)
print(p:stats().workers[1].pid)'

# The first worker whose pid was printed is gone.
expect_worker_gone() { expect [ ! -e "/proc/$(head -n 1 "$work/out")" ]; }

it "ends with pools open"
script "$pools"
run timeout 20 "$LUAPOOL" run "$work/script.lua"
expect_status 0
expect_err ""
expect_worker_gone

it "ends by an error with pools open"
script "$pools" 'error "oh"'
run timeout 20 "$LUAPOOL" run "$work/script.lua"
expect_status 1
expect_err_like 'script.lua:11: oh$'
expect_worker_gone

it "ends by os.exit with pools open"
for how in 'os.exit(3)' 'os.exit(3, true)' 'task.spawn(os.exit, 3, true); task.sleep(1)'; do
  script "$pools" "$how"
  run timeout 20 "$LUAPOOL" run "$work/script.lua"
  expect_status 3
done

it "ends while a shielded task waits with a deadline"
script 'local task, process = require "luapool.task", require "luapool.process"' \
  'task.spawn(task.shield, process.exec, { "sleep", "100", timeout = 50 })' \
  'task.sleep(0.05)'
run timeout 20 "$LUAPOOL" run "$work/script.lua"
expect_status 0
expect_err ""

it "goes on when its forkserver is killed, with all workers"
script 'local pool = require "luapool.pool"' \
  'local p <close> = pool.new { processes = 3, concurrency = 2 }' \
  'local function nap(i) require("luapool.task").sleep(0.002) return i end' \
  'local list = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }' \
  'for _ = 1, 5 do' \
  '  assert(p:map(nap, list):drain() == 9)' \
  '  local stat = io.open(("/proc/%d/stat"):format(p:stats().workers[1].pid)):read "a"' \
  '  os.execute("kill -9 " .. stat:match "%) %S (%d+)")' \
  'end' \
  'print(p:map(nap, list):drain())'
run timeout 20 "$LUAPOOL" run "$work/script.lua"
expect_status 0
expect_out 9
