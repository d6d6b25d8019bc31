# shellcheck disable=SC2154
# What a run waits for is told: on SIGUSR2 for every task of every process, and when nothing can
# wake any task any more.
. tests/support/cli.sh

# Runs a script in the background until it has printed "ready"; its process is $!.
start() {
  env --default-signal=INT "$LUAPOOL" run "$@" >"$work/out" 2>"$work/err" &
  tap_command="luapool run $*"
  for _ in $(seq 100); do
    ! grep -q ready "$work/out" || return 0
    sleep 0.05
  done
  tap_show "not ready after 5 s"
}

# Until stderr has a line that matches, or 5 s have passed.
await_err() {
  for _ in $(seq 100); do
    ! grep -Eq -e "$1" "$work/err" || return 0
    sleep 0.05
  done
}

# Ends the script.
stop() {
  kill -INT "$1"
  kill -INT "$1" 2>/dev/null
  status=0
  wait "$1" || status=$?
}

it "ends a run that nothing can wake any more, with who waits for what"
cat >"$work/dead.lua" <<'END'
local task, sync = require "luapool.task", require "luapool.sync"
local a, b
local function generator()
  coroutine.yield(1)
  b:await()
end
a = task.spawn(function()
  for _ in coroutine.wrap(generator) do end
end)
b = task.spawn(function() a:await() end)
b:name "bert"
local lock = sync.lock()
lock:acquire()
lock:acquire()
END
run luapool run "$work/dead.lua"
expect_status 1
expect_out ""
expect_err_like '^luapool: nothing can wake any task any more:$'
expect_err_like '^task [0-9]+ waits for lock for [0-9.]+ s$'
expect_err_like 'dead.lua:14: in main chunk$'
expect_err_like "^task [0-9]+ 'bert' waits for task [0-9]+ for [0-9.]+ s\$"
expect_err_like '^	.*dead.lua:10: in function <'
expect_err_like '^	in a coroutine, resumed by$'
inner=$(grep -n 'dead.lua:5' "$work/err" | cut -d: -f1)
outer=$(grep -n 'dead.lua:8' "$work/err" | cut -d: -f1)
expect [ "${inner:-99}" -lt "${outer:-0}" ]

it "does so with idle workers too, and unwinds the tasks"
cat >"$work/dead.lua" <<'END'
local task, pool = require "luapool.task", require "luapool.pool"
local p = pool.new { processes = 1 }
p:apply(function() end)
local _ <close> = setmetatable({}, { __close = function() print "closed" end })
task.promise():await()
END
run luapool run "$work/dead.lua"
expect_status 1
expect_out closed
expect_err_like '^luapool: nothing can wake any task any more:$'
expect_err_like 'dead.lua:5: in main chunk$'

it "does so at the end of a pool with a map that nobody iterates"
cat >"$work/dead.lua" <<'END'
local p <close> = require("luapool.pool").new { processes = 2, concurrency = 2 }
p:map(function(x) return x end, function() return 1 end)
END
run luapool run "$work/dead.lua"
expect_status 1
expect_err_like '^luapool: nothing can wake any task any more:$'
expect_err_like '^task [0-9]+ waits for pool \(a map of it is not iterated to its end\)'
expect_err_like "'map' waits for place in a pool \([0-9]+ results of its map are to be taken\)"

it "does so when workers wait for what nobody can give them any more, and shows their tasks"
cat >"$work/dead.lua" <<'END'
local pool, sync, task = require "luapool.pool", require "luapool.sync", require "luapool.task"
local p = pool.new { processes = 2 }
local queue = sync.queue()
task.spawn(function() task.sleep(1.5) end)
local waiting = p:submit(function(q) q:get() end, queue)
p:submit(function() require("luapool.task").promise():await() end)
waiting:await()
END
run timeout -s KILL 30 "$LUAPOOL" run "$work/dead.lua"
expect_status 1
expect_err_like '^luapool: nothing can wake any task any more:$'
expect_err_like "^task [0-9]+ 'worker . .pid [0-9]+.' waits for queue get for "
expect_err_like 'dead.lua:7: in main chunk$'
expect_err_like '^luapool: worker 1 \(process [0-9]+\):$'
expect_err_like '^luapool: worker 2 \(process [0-9]+\):$'
expect_err_like 'dead.lua:5: in function <'
expect_err_like 'dead.lua:6: in function <'

it "does so when two workers have locked each other out"
cat >"$work/dead.lua" <<'END'
local pool, sync = require "luapool.pool", require "luapool.sync"
local p <close> = pool.new { processes = 2 }
local a, b, each_has_one = sync.lock(), sync.lock(), sync.barrier(2)
local function both(first, second)
  first:acquire()
  each_has_one:wait()
  second:acquire()
end
p:submit(both, a, b)
p:submit(both, b, a)
END
run timeout -s KILL 30 "$LUAPOOL" run "$work/dead.lua"
expect_status 1
expect_err_like '^luapool: nothing can wake any task any more:$'
expect [ "$(grep -c 'waits for lock for ' "$work/err")" -eq 2 ]

it "does so when init waits for ever"
cat >"$work/dead.lua" <<'END'
local p <close> = require("luapool.pool").new { processes = 1, init = function()
  require("luapool.task").promise():await()
end }
p:apply(function() end)
END
run timeout -s KILL 30 "$LUAPOOL" run "$work/dead.lua"
expect_status 1
expect_err_like '^luapool: nothing can wake any task any more:$'

it "does so in a job too, whether its bar is drawn or not"
cat >"$work/job.lua" <<'END'
local task = require "luapool.task"
return {
  items = function() return coroutine.wrap(function() coroutine.yield(1) task.promise():await() end) end,
  process = function(x) return x end,
  output = "dead.jsonl",
}
END
run sh -c "cd '$work' && exec timeout -s KILL 30 '$LUAPOOL' run job.lua"
expect_status 1
expect_err_like '^luapool: nothing can wake any task any more:$'
expect_err_like "^task [0-9]+ 'items' waits for task for "
expect [ "$(cat "$work/dead.jsonl")" = 1 ]
rm -f "$work"/dead.jsonl*
run env -u NO_COLOR TERM=xterm script -qec "stty cols 60 rows 20; cd '$work'; timeout -s KILL 30 '$LUAPOOL' run job.lua" /dev/null
tr '\r' '\n' <"$work/out" >"$work/err"
expect_err_like '^job: 0 item '
expect_err_like '^luapool: nothing can wake any task any more:$'

it "does not while one worker waits for another, or for main"
cat >"$work/alive.lua" <<'END'
local pool, sync, task = require "luapool.pool", require "luapool.sync", require "luapool.task"
local p <close> = pool.new { processes = 2 }
local function get(q) return q:get() end
local function put(q)
  require("luapool.task").sleep(2.5)
  q:put "of a worker"
end
local queue = sync.queue()
p:submit(put, queue)
print(p:apply(get, queue))
local waiting = p:submit(get, queue)
task.sleep(2.5)
queue:put "of main"
print(waiting:await())
END
run timeout -s KILL 60 "$LUAPOOL" run "$work/alive.lua"
expect_status 0
expect_out "of a worker
of main"

it "does not when a worker dies late, while the others have been idle"
cat >"$work/alive.lua" <<'END'
local luapool = require "luapool"
local p <close> = luapool.pool.new { processes = 2 }
print(p:apply(function()
  local luapool = require "luapool"
  local attempt = luapool.task.current().attempt
  luapool.task.sleep(2.5)
  if attempt == 1 then os.exit(1) end
  return "done at attempt " .. attempt
end))
END
run timeout -s KILL 60 "$LUAPOOL" run "$work/alive.lua"
expect_status 0
expect_out "done at attempt 2"

it "does not when a worker that waited for main has just been killed: its task fails"
cat >"$work/alive.lua" <<'END'
local luapool = require "luapool"
local p <close> = luapool.pool.new { processes = 2, crash_retries = 0 }
local queue = luapool.sync.queue()
local future = p:submit(function(q) return q:get() end, queue)
luapool.task.sleep(2.5) -- by now the worker has said that it waits for main
for _, worker in ipairs(p:stats().workers) do
  luapool.process.exec { "kill", "-s", "KILL", tostring(worker.pid) }
end
local ok, err = future:result()
print(ok, err.kind)
END
run timeout -s KILL 60 "$LUAPOOL" run "$work/alive.lua"
expect_status 0
expect_out "false	worker_died"

it "does not while a task that a worker has beside its calls may wake one"
cat >"$work/alive.lua" <<'END'
local luapool = require "luapool"
local queue = luapool.sync.queue()
local p <close> = luapool.pool.new { processes = 1, init_args = { queue }, init = function(q)
  local task = require "luapool.task"
  task.spawn(function()
    task.sleep(1.5)
    q:put "of a worker"
  end)
end }
print(queue:get())
END
run timeout -s KILL 60 "$LUAPOOL" run "$work/alive.lua"
expect_status 0
expect_out "of a worker"

it "does not while a timer, a program or a worker may wake one"
cat >"$work/alive.lua" <<'END'
local task, pool = require "luapool.task", require "luapool.pool"
local process = require "luapool.process"
local p = pool.new { processes = 1 }
task.all(
  function() task.sleep(0.05) end,
  function() process.exec { "sleep", "0.1" } end,
  function() p:apply(function() require "luapool.task".sleep(0.15) end) end)
print "done"
END
run luapool run "$work/alive.lua"
expect_status 0
expect_out "done"

it "shows on SIGUSR2 what every task of every process waits for"
cat >"$work/busy.lua" <<'END'
local task, pool = require "luapool.task", require "luapool.pool"
local p = pool.new { processes = 2, concurrency = 1 }
p:apply(function() end)
local function work(i)
  if i == 1 then while true do end end
  require "luapool.task".sleep(1000)
end
for i = 1, 2 do p:submit(work, i) end
task.spawn(function()
  while true do end
end):name "endless"
task.spawn(function() task.yield() end):name "not seen"
local late = task.spawn(function() coroutine.wrap(task.sleep)(1000) end)
task.sleep(0.3)
print "ready"
io.stdout:flush()
late:await()
END
start "$work/busy.lua"
kill -USR2 $!
await_err 'worker 1'
await_err 'worker 2'
await_err 'busy.lua:6: '
stop $!
expect_status 130
expect_err_like '^luapool: main \(process [0-9]+\):$'
expect_err_like "^task [0-9]+ 'endless' has used up its slice\$"
expect_err_like '^	.*busy.lua:(9|10): in function <' # 10 with Lua 5.4.7
expect_err_like '^task [0-9]+ waits for sleep for [0-9.]+ s$'
expect_err_like '^	in a coroutine, resumed by$'
expect_err_like 'busy.lua:17: in main chunk$'
expect_err_like '^task [0-9]+ waits for task of a pool for '
expect_err_like '^luapool: worker 1 \(process [0-9]+\):$'
expect_err_like '^luapool: worker 2 \(process [0-9]+\):$'
expect_err_like '^	.*busy.lua:5: in '
expect_err_like '^	.*busy.lua:6: in '
expect [ "$(grep -c 'not seen' "$work/err")" -eq 0 ]

it "shows which method of a shared object a worker's task waits for, and main on its behalf"
cat >"$work/ask.lua" <<'END'
local pool, sync, task = require "luapool.pool", require "luapool.sync", require "luapool.task"
local p = pool.new { processes = 1 }
local queue = sync.queue()
p:apply(function() end)
p:submit(function(q)
  require("luapool.task").current():name "consumer"
  q:get()
end, queue)
task.sleep(0.2)
print "ready"
io.stdout:flush()
task.sleep(1000)
END
start "$work/ask.lua"
kill -USR2 $!
await_err 'worker 1 \(process'
await_err 'ask.lua:7: '
stop $!
expect_err_like "^task [0-9]+ 'worker 1 \(pid [0-9]+\)' waits for queue get for [0-9.]+ s\$"
expect_err_like "^task [0-9]+ 'consumer' waits for object of the main process \(get\) for [0-9.]+ s\$"

it "goes on after a dump"
cat >"$work/on.lua" <<'END'
local task = require "luapool.task"
print "ready"
io.stdout:flush()
task.sleep(0.5)
print "done"
END
start "$work/on.lua"
kill -USR2 $!
kill -USR2 $!
status=0
wait $! || status=$?
expect_status 0
expect_out "ready
done"
expect_err_like '^task [0-9]+ waits for sleep for '

it "shows tasks while finalizers end others"
cat >"$work/ends.lua" <<'END'
local core, task = debug.getregistry()["luapool.env"].require "luapool.core", require "luapool.task"
for round = 1, 20 do
  local promises, sleepers, ended = {}, {}, false
  for i = 1, 500 do
    sleepers[i] = task.spawn(task.sleep, 1000)
    sleepers[i]:name(("n"):rep(40 + round))
    promises[i] = task.promise()
  end
  task.yield()
  collectgarbage()
  collectgarbage()
  setmetatable({}, { __gc = function()
    for i = 1, 500 do promises[i]:resolve() end
    ended = true
  end })
  repeat assert(core.dump():find "nnn") until ended
  for i = 1, 500 do sleepers[i]:cancel() end
end
print "shown"
END
run timeout -s KILL 60 "$LUAPOOL" run "$work/ends.lua"
expect_status 0
expect_out shown
