# What a script leaves behind when it ends, and how one goes on.
. tests/support/cli.sh

it "names the tasks, periodic calls and futures that end with the script"
cat >"$work/left.lua" <<'LUA'
local pool, task = require "luapool.pool", require "luapool.task"
local function beat() task.sleep(60) end
task.spawn(beat):name "heart"
task.spawn(beat)
task.spawn(beat)
task.every(60, beat)
task.every(60, beat):stop()
task.spawn(beat):cancel()
local p = pool.new { processes = 1 }
p:submit(function() require("luapool.task").sleep(60) end)
LUA
run sh -c 'cd "$0" && "$1" run left.lua' "$work" "$LUAPOOL"
expect_status 0
expect_err "luapool: left.lua has ended, and with it what it did not wait for: task 'heart' \
(left.lua:2), 2 × a task (left.lua:2), every 60 s (left.lua:2), a future (await them, or end with \
luapool.run_forever())"

it "says nothing of what was waited for or stopped, nor of what luapool does by itself"
cat >"$work/clean.lua" <<'LUA'
local pool, progress, task = require "luapool.pool", require "luapool.progress", require "luapool.task"
local p <close> = pool.new { processes = 1 }
local every <close> = task.every(60, print)
local bar = progress.bar { total = 1 }
bar:update()
require("luapool.log").info "alive"
p:submit(function() end):await()
task.spawn(task.sleep, 0.01):await()
local _ = task.promise()
LUA
run luapool run "$work/clean.lua" --timeout 60 --log-level warn
expect_status 0
expect_err ""

it "says nothing after an error, nor of a job"
printf '%s\n' 'require("luapool.task").every(60, print) error "oh"' >"$work/fails.lua"
run luapool run "$work/fails.lua"
expect_status 1
expect [ "$(grep -c alive "$work/err")" = 0 ]
expect [ "$(grep -c 'has ended' "$work/err")" = 0 ]

it "goes on until a signal with run_forever, and closes what it has open"
cat >"$work/forever.lua" <<'LUA'
local luapool = require "luapool"
local close <close> = setmetatable({}, { __close = function() print "closed" end })
luapool.task.every(0.01, function() print "tick" io.stdout:flush() end)
luapool.run_forever()
LUA
"$LUAPOOL" run "$work/forever.lua" >"$work/out" 2>"$work/err" &
pid=$! tap_command="luapool run forever.lua"
await_lines "$work/out" 2 "$pid"
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
expect_status 143
expect_out_like '^closed$'
expect_err ""
