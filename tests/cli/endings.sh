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
expect_err_like 'script.lua has ended, and with it what it did not wait for: 4 × a future '
expect_err_lines 1
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
expect_err_like 'script.lua has ended, and with it what it did not wait for: a task '
expect_err_lines 1

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

# Never ends, and never comes back to Lua.
stuck='local text, pattern = ("a"):rep(100), ("a*"):rep(50) .. "b"
print "ready"
io.stdout:flush()
text:find(pattern)'

it "keeps --timeout while a C function runs"
script "$stuck"
run timeout -s KILL 30 "$LUAPOOL" run --timeout 0.2 "$work/script.lua"
expect_status 4
expect_err 'luapool: stopped by --timeout 0.2'

it "keeps --timeout while nobody reads what it writes to stderr"
printf 'while true do io.stderr:write(("x"):rep(65536)) end\n' >"$work/script.lua"
mkfifo "$work/fifo"
exec 3<>"$work/fifo"
timeout -s KILL 30 "$LUAPOOL" run --timeout 0.2 "$work/script.lua" >"$work/out" 2>&3
expect test $? = 4
exec 3>&-

it "keeps --timeout while load calls its reader again and again"
script 'load(function() return " " end)'
run timeout -s KILL 30 "$LUAPOOL" run --timeout 0.2 "$work/script.lua"
expect_status 4

it "ends by the second Ctrl-C while a C function runs, with its workers"
script 'local pool = require "luapool.pool"' \
  'local p = pool.new { processes = 1 }' \
  'p:submit(require("luapool.task").sleep, 100)' \
  'print(p:apply(function() return require("luapool").worker.pid end))' \
  "$stuck"
env --default-signal=INT "$LUAPOOL" run "$work/script.lua" >"$work/out" 2>"$work/err" &
main=$!
tap_command="luapool run $work/script.lua"
until grep -q ready "$work/out"; do sleep 0.05; done
kill -INT "$main"
sleep 0.5 # as somebody waits who sees that nothing happens
kill -INT "$main"
expect_gone "$main"
kill -KILL "$main" 2>/dev/null || true
status=0
wait "$main" || status=$?
expect_status 130
expect_gone "$(head -n 1 "$work/out")"
