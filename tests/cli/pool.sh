# Pools as a script sees them from outside: output of workers, errors that nobody awaits, what is left.
. tests/support/cli.sh

it "passes on what workers print in whole lines"
cat >"$work/print.lua" <<'END'
local pool = require "luapool.pool"
local p <close> = pool.new { processes = 3, concurrency = 1 }
local function chatter(i)
  for part = 1, 5 do
    io.write(i, ".", part)
    io.stderr:write("e", i)
    require("luapool.task").sleep(0)
    io.write(" ", ("x"):rep(50), "\n")
    io.stderr:write("e\n")
  end
end
local function items()
  local i = 0
  return function() i = i + 1 return i <= 60 and i or nil end
end
p:map(chatter, items()):drain()
print "last"
END
run luapool run "$work/print.lua"
expect_status 0
expect_out_lines 301
expect_err_lines 300
expect sh -c "! grep -vE '^([0-9]+\.[1-5] x{50}|last)\$' '$work/out'"
expect sh -c "! grep -vE '^e[0-9]+e\$' '$work/err'"

it "passes on the last words of a worker, and ends a line that it has not"
cat >"$work/words.lua" <<'END'
local p <close> = require("luapool.pool").new { processes = 1, crash_retries = 0 }
print(pcall(p.apply, p, function()
  io.stdout:write "half a line"
  io.stdout:flush()
  os.exit(7, false)
end))
END
run luapool run "$work/words.lua"
expect_status 0
expect_out_like '^half a line$'
expect_out_like 'exit code 7'

it "reports an error that nobody awaited once, with the worker's part of its traceback"
cat >"$work/unawaited.lua" <<'END'
local pool, task = require "luapool.pool", require "luapool.task"
local p <close> = pool.new { processes = 1 }
local function culprit() error "nobody asked" end
p:submit(culprit)
task.spawn(function() error "nor here" end)
local early, late = task.spawn(task.yield), task.spawn(task.yield)
early:on_done(function() error "of one who was told" end)
late:await()
late:on_done(function() error "of one who asked late" end)
task.sleep(0.05)
END
run luapool run "$work/unawaited.lua"
expect_status 0
expect [ "$(grep -c 'nobody asked' "$work/err")" -eq 1 ]
expect [ "$(grep -c 'nor here' "$work/err")" -eq 1 ]
expect [ "$(grep -c 'unawaited.lua:7: of one who was told' "$work/err")" -eq 1 ]
expect [ "$(grep -c 'unawaited.lua:9: of one who asked late' "$work/err")" -eq 1 ]
expect [ "$(grep -c '^luapool: ' "$work/err")" -eq 4 ]
expect_err_like "unawaited.lua:3: in function <"

it "tells an error that ends the script with all parts of its traceback"
cat >"$work/ends.lua" <<'END'
local p <close> = require("luapool.pool").new { processes = 1 }
local function culprit() error "oh" end
local function caller() p:apply(culprit) end
caller()
END
run luapool run "$work/ends.lua"
expect_status 1
expect_err_like 'luapool: .*ends.lua:2: oh$'
expect_err_like 'ends.lua:2: in function'
expect_err_like "ends.lua:3: in (local|upvalue|function) 'caller'"

it "ends with pools open, and leaves no process"
cat >"$work/open.lua" <<'END'
local pool, task = require "luapool.pool", require "luapool.task"
local p = pool.new { processes = 2 }
p:submit(function() while true do end end)
p:submit(function() require("luapool.task").sleep(1000) end)
task.spawn(function() task.sleep(1000) end)
for i = 1, 2 do print(p:apply(function() return require("luapool").worker.pid end)) end
END
run luapool run "$work/open.lua"
expect_status 0
expect_out_lines 2
while read -r pid; do expect_gone "$pid"; done <"$work/out"

it "runs a map in sizes that no pipe holds"
cat >"$work/large.lua" <<'END'
local p <close> = require("luapool.pool").new { processes = 2 }
local n, bytes = 0, 0
for _, r in p:map(function(s) return s .. s end, function()
  n = n + 1
  return n <= 40 and ("x"):rep(500000 + n) or nil
end) do
  bytes = bytes + #r
end
print(bytes)
END
run luapool run "$work/large.lua"
expect_status 0
expect_out 40001640

it "ends quietly when nobody reads what workers print"
cat >"$work/endless.lua" <<'END'
local p = require("luapool.pool").new { processes = 2 }
local function say()
  require("luapool.task").sleep(0.001)
  print "a line"
end
for _ in p:map(say, function() return 1 end) do end
END
{ status=0; timeout -s KILL 20 "$LUAPOOL" run "$work/endless.lua" 2>"$work/err" || status=$?
  echo "$status" >"$work/status"; } | head -n 1 >"$work/out"
status=$(cat "$work/status")
expect_status 0
expect_out "a line"
expect_err ""

it "says why what workers print could not be written"
cat >"$work/lines.lua" <<'END'
local p <close> = require("luapool.pool").new { processes = 2 }
p:map(print, { 1, 2, 3 }):drain()
END
run sh -c "exec '$LUAPOOL' run '$work/lines.lua' >/dev/full"
expect_status 1
expect_err "luapool: cannot write to stdout: No space left on device"

it "has the processes of -p, with the tasks at once of -c"
cat >"$work/defaults.lua" <<'END'
local pool, sync = require "luapool.pool", require "luapool.sync"
local p <close> = pool.new()
local now, six = sync.counter(), sync.barrier(6)
local function work()
  local n = now:add(1)
  six:wait()
  now:add(-1)
  return n
end
local items, most = {}, 0
for i = 1, 30 do items[i] = i end
for _, n in p:map(work, items) do most = math.max(most, n) end
local q <close> = pool.new { processes = 1 }
print(p:stats().processes, most, q:stats().processes)
END
run luapool run -p 3 -c 2 "$work/defaults.lua"
expect_status 0
expect_out "3	6	1"

it "loads a worker's modules from the script's folder and along main's package.path"
mkdir "$work/lib" "$work/elsewhere"
echo 'return { name = "beside", state = 0 }' >"$work/beside.lua"
echo 'return { name = "lib" }' >"$work/lib/far.lua"
cat >"$work/modules.lua" <<'END'
package.path = arg[1] .. "/lib/?.lua;" .. package.path
local beside = require "beside"
beside.state = 5
local p <close> = require("luapool.pool").new { processes = 1 }
print(p:apply(function() return beside.name, beside.state, require("far").name end))
print(beside.state)
END
run sh -c "cd '$work/elsewhere' && exec '$LUAPOOL' run ../modules.lua '$work'"
expect_status 0
expect_out "beside	0	lib
5"
