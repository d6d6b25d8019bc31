# luapool.signal and what the program itself does with signals: who gets what, and when it ends.
. tests/support/cli.sh

# begin SCRIPT: runs it in the background, with the signals of a terminal, until it prints "ready".
begin() {
  tap_command="luapool run $1"
  echo "$2" >"$work/$1"
  env --default-signal "$LUAPOOL" run "$work/$1" >"$work/out" 2>"$work/err" &
  pid=$!
  await_lines "$work/out" 1 $pid
}

end() {
  status=0
  wait $pid || status=$?
}

it "runs a handler in place of what Ctrl-C does, and comes back to that when it is closed"
begin own.lua '
local signal, task = require "luapool.signal", require "luapool.task"
io.stdout:setvbuf "line"
local got = require("luapool.sync").queue()
local handler = signal.on("INT", function(name) got:put(name) end)
print "ready"
for i = 1, 4 do print(got:get(), i) end
handler:close()
print "closed"
task.sleep(60)'
for i in 1 2 3 4; do
  kill -INT $pid
  await_lines "$work/out" $((i + 1)) $pid
done
await_lines "$work/out" 6 $pid
kill -INT $pid
end
expect_status 130
expect_out "ready
INT	1
INT	2
INT	3
INT	4
closed"

it "lets a script end in its own way when it is terminated"
begin term.lua '
local signal, pool = require "luapool.signal", require "luapool.pool"
local p <close> = pool.new { processes = 1 }
print(p:apply(function() return "ready" end))
io.stdout:flush()
signal.wait "TERM"
print(p:apply(function() return "bye" end))'
kill -TERM $pid
end
expect_status 0
expect_out "ready
bye"
expect_err ""

it "stops as always while a script that has waited for TERM does something else"
begin between.lua '
local signal, task = require "luapool.signal", require "luapool.task"
print(pcall(signal.wait, "TERM", 0) and "no" or "ready")
io.stdout:flush()
task.sleep(60)'
kill -TERM $pid
end
expect_status 143

it "keeps a HUP for a script that reloads again and again"
begin reload.lua '
local signal, task = require "luapool.signal", require "luapool.task"
io.stdout:setvbuf "line"
print "ready"
for i = 1, 2 do
  signal.wait "HUP"
  print("reload", i)
  while i == 1 and not io.open(arg[0] .. ".go") do task.sleep(0.01) end
end'
kill -HUP $pid
await_lines "$work/out" 2 $pid
kill -HUP $pid
touch "$work/reload.lua.go"
end
expect_status 0
expect_out "ready
reload	1
reload	2"

# The names of signals and their numbers.
for signal in USR1:10 QUIT:3 ALRM:14; do
  number=${signal#*:} signal=${signal%:*}
  it "is not ended by $signal that a script listens for, and is once it does not any more"
  begin default.lua '
    local signal, task, sync = require "luapool.signal", require "luapool.task", require "luapool.sync"
    local got = sync.event()
    local handler = signal.on("'"$signal"'", function() got:set() end)
    print "ready"
    io.stdout:flush()
    got:wait()
    handler:close()
    print "closed"
    io.stdout:flush()
    task.sleep(60)'
  # shellcheck disable=SC3045 # dash and bash have it
  ulimit -c 0
  kill -s "$signal" $pid
  await_lines "$work/out" 2 $pid
  kill -s "$signal" $pid
  end
  expect_status $((128 + number))
  expect_out "ready
closed"
done

it "hears a signal that it was started to ignore, once a script asks for it"
echo 'local signal = require "luapool.signal"
local task = require "luapool.task"
io.stdout:setvbuf "line"
local waiting = task.spawn(signal.wait, "HUP")
task.yield()
print "ready"
waiting:await()
print "heard"' >"$work/nohup.lua"
(trap '' HUP && exec "$LUAPOOL" run "$work/nohup.lua" >"$work/out" 2>"$work/err") &
pid=$! tap_command="luapool run nohup.lua"
await_lines "$work/out" 1 $pid
kill -HUP $pid
end
expect_status 0
expect_out "ready
heard"

it "ends a script that is stuck although it listens, at the second time"
begin stuck.lua '
local handler = require("luapool.signal").on("TERM", print)
print "ready"
io.stdout:flush()
string.rep("x", 1 << 20):find(("x*"):rep(30) .. "y")'
for _ in $(seq 40); do
  kill -TERM $pid 2>/dev/null || break
  sleep 0.25
done
end
expect_status 143

it "takes a script that listens for no deadlock, and one that has stopped listening for one"
begin deadlock.lua '
local signal, sync = require "luapool.signal", require "luapool.sync"
local event = sync.event()
local handler = signal.on("USR1", function() event:set() end)
print "ready"
io.stdout:flush()
event:wait()
handler:close()
event:clear()
event:wait()'
sleep 1.5
kill -USR1 $pid
end
expect_status 1
expect_err_like deadlock

it "tells of the error of a handler, and goes on"
begin fails.lua '
local signal, sync = require "luapool.signal", require "luapool.sync"
local event = sync.event()
local one = signal.on("USR1", function() error "oh no" end)
local two = signal.on("USR1", function() event:set() end)
print "ready"
io.stdout:flush()
event:wait()'
kill -USR1 $pid
end
expect_status 0
expect_err_like "oh no"

it "gives a job its signals, and stops it as always by the others"
begin job.lua '
local signal, task = require "luapool.signal", require "luapool.task"
io.stdout:setvbuf "line"
signal.on("USR1", function() print "usr1" end)
return {
  items = function()
    local n = 0
    return function()
      n = n + 1
      if n == 1 then print "ready" end
      task.sleep(0.01)
      return n
    end
  end,
  process = function() end,
}'
kill -USR1 $pid
await_lines "$work/out" 2 $pid
kill -INT $pid
end
expect_status 130
expect_out "ready
usr1"
