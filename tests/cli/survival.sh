# What is lost without loss: main, the forkserver, workers, descriptors, memory, standard streams.
. tests/support/cli.sh

# The processes of a job, found by a variable in their environment. A zombie has none.
family() {
  for file in /proc/[0-9]*/environ; do
    if tr '\0' '\n' 2>/dev/null <"$file" | grep -qx "FAMILY=$work"; then
      basename "$(dirname "$file")"
    fi
  done
}

# Waits, 10 s at most, until a line of file $1 is like $2.
await_line() {
  for _ in $(seq 200); do
    ! grep -q "$2" "$1" 2>/dev/null || return 0
    sleep 0.05
  done
  fail "no line like '$2' in $1: $(cat "$1" "$work/err")"
}

# Starts a job of the file in $1 whose main is $main, with a load of all sorts.
start_job() {
  FAMILY=$work "$LUAPOOL" run "$work/job.lua" >"$work/out" 2>"$work/err" &
  main=$!
  await_line "$work/out" '^ready$'
}

expect_no_family() {
  left=$(family)
  [ -z "$left" ] || tap_show "processes are left: $(ps -o pid,ppid,stat,args -p "$left" 2>&1)"
}

# One worker is stopped, one in an endless loop, one in a C function, the others have much to do.
load='
local luapool = require "luapool"
local pool, process, task = luapool.pool, luapool.process, luapool.task
local p = pool.new { processes = 6, concurrency = 20 }
p:apply(type, 1)
process.exec { "kill", "-s", "STOP", tostring(p:stats().workers[1].pid) }
p:submit(function() while true do end end)
p:submit(function() return ("a"):rep(40):find(("a?"):rep(40) .. ("a"):rep(40)) end)
task.spawn(function()
  task.sleep(0.2)
  print "ready"
  io.stdout:flush()
end)
local function items() return 1 end
for _ in p:map(function() require("luapool.task").sleep(0.005) end, items, { ordered = false }) do end
'

it "leaves no process within a second of the death of main"
printf '%s' "$load" >"$work/job.lua"
start_job
expect test "$(family | wc -l)" -ge 7
kill -9 $main
wait $main 2>/dev/null
sleep 1
expect_no_family

it "leaves none when the forkserver was stopped, either"
printf '%s' "$load" >"$work/job.lua"
start_job
kill -STOP "$(cut -d' ' -f1 "/proc/$main/task/$main/children")"
kill -9 $main
wait $main 2>/dev/null
sleep 1
expect_no_family

it "ends though the forkserver is stopped, needed or not"
cat >"$work/job.lua" <<'END'
local luapool = require "luapool"
local me = debug.getregistry()["luapool.env"].require("luapool.core").pid()
local file <close> = io.open(("/proc/%d/task/%d/children"):format(me, me))
local stop = "kill -STOP " .. file:read("a"):match "%d+"
if arg[1] == "pool" then
  local p <close> = luapool.pool.new { processes = 1, crash_retries = 0 }
  os.execute(stop)
  print(pcall(p.apply, p, os.exit, 3)) -- its death is told by the forkserver
end
os.execute(stop)
END
for needed in pool no; do
  run timeout -s KILL 20 "$LUAPOOL" run "$work/job.lua" $needed
  expect_status 0
done
run timeout -s KILL 20 sh -c "'$LUAPOOL' run '$work/job.lua' no & main=\$!
# The first child is the forkserver; later ones are no business of this test.
while kill -0 \$main && [ ! \"\$first\" ]; do first=\$(cut -d' ' -f1 /proc/\$main/task/\$main/children); done
for _ in \$(seq 100); do kill -STOP \$first 2>&-; done
wait \$main"
expect_status 0

it "ends by itself with such workers, and leaves none"
cat >"$work/job.lua" <<'END'
local luapool = require "luapool"
local p = luapool.pool.new { processes = 3 }
p:apply(type, 1)
luapool.process.exec { "kill", "-s", "STOP", tostring(p:stats().workers[1].pid) }
p:submit(function() while true do end end)
p:submit(function() return ("a"):rep(40):find(("a?"):rep(40) .. ("a"):rep(40)) end)
luapool.task.sleep(0.1)
END
run env FAMILY="$work" timeout 20 "$LUAPOOL" run "$work/job.lua"
expect_status 0
expect_no_family

it "goes on when the forkserver is killed: main starts another one"
cat >"$work/job.lua" <<'END'
local luapool = require "luapool"
local p = luapool.pool.new { processes = 3, concurrency = 10 }
local me = debug.getregistry()["luapool.env"].require("luapool.core").pid()
local function forkserver() -- the other child of main is the keeper of what it starts
  local file <close> = io.open(("/proc/%d/task/%d/children"):format(me, me))
  for pid in file:read("a"):gmatch "%d+" do
    local name <close> = io.open(("/proc/%s/comm"):format(pid))
    if name and name:read "l" == "luapool" then return pid end
  end
end
local function work(i)
  require("luapool.task").sleep(0.005)
  return i
end
local i, killed = 0, 0
local function items()
  i = i + 1
  if i == 100 or i == 300 then
    killed = killed + 1
    os.execute("kill -9 " .. forkserver())
  end
  if i <= 500 then return i end
end
local list, n = p:map(work, items):collect()
for k = 1, n do assert(list[k] == k) end
local s = p:stats()
print(n, s.done, s.failed, killed, s.restarts)
p:close()
p:join()
END
run env FAMILY="$work" timeout 30 "$LUAPOOL" run "$work/job.lua"
expect_status 0
expect_out "500	500	0	2	6"
expect_err ""
expect_no_family

it "does not charge the task on the CPU for the death of the forkserver"
cat >"$work/job.lua" <<'END'
local luapool = require "luapool"
local p = luapool.pool.new { processes = 1 }
local begun, go = arg[1] .. "/begun", arg[1] .. "/go"
local function spin()
  local stat <close> = io.open "/proc/self/stat"
  local forkserver = stat:read("a"):match "%) %S (%d+)"
  local file <close> = io.open(begun, "w")
  file:write(forkserver)
  file:close()
  while not io.open(go) do end
  return require("luapool.task").current().attempt
end
local function await_begun()
  while true do
    luapool.task.sleep(0.01)
    local file <close> = io.open(begun)
    local forkserver = file and file:read "a" or ""
    if forkserver ~= "" then return forkserver end
  end
end
local spinning = p:submit(spin)
for _ = 1, 3 do
  local forkserver = await_begun()
  os.remove(begun)
  os.execute("kill -9 " .. forkserver)
end
await_begun()
io.open(go, "w"):close()
print(spinning:await(), p:stats().failed)
END
run timeout 60 "$LUAPOOL" run "$work/job.lua" "$work"
expect_status 0
expect_out "4	0"

it "takes 999 of 1,000 tasks through a SIGSEGV of one in a C module, and reports that one"
cat >"$work/job.lua" <<'END'
package.cpath = arg[1] .. "/?.so;" .. package.cpath
local errors, pool = require "luapool.error", require "luapool.pool"
local p = pool.new { processes = 2, concurrency = 100 }
local function work(i)
  require("luapool.task").sleep(0.001 * (i % 5))
  if i == 500 then
    io.stderr:write "about to crash\n"
    require("crash").now()
  end
  return i
end
local i, good = 0, 0
local function items()
  i = i + 1
  return i <= 1000 and i or nil
end
for place, value, e in p:map(work, items, { return_errors = true }) do
  if e then
    print(place, errors.is(e, "worker_died"), e.signal, e.attempts, e.report, e.place)
    print((tostring(e):gsub("%d+%)", "PID)", 1)))
  else
    good = good + (value == place and 1 or 0)
  end
end
print(good, p:stats().restarts)
END
sanitizer=${ASAN_OPTIONS:-}:handle_segv=0 # or it makes an exit of the signal
run env ASAN_OPTIONS="$sanitizer" timeout 60 "$LUAPOOL" run "$work/job.lua" "${LUAPOOL%/*}/tests"
expect_status 0
expect_out_like '^500	true	11	2	about to crash	500$'
expect_out_like ' worker [12] .pid PID. was killed by signal 11 .Segmentation fault.'
expect_out_like '^999	2$'

it "does not wait for a child of a dead worker that keeps its channel open"
cat >"$work/job.lua" <<'END'
package.cpath = arg[1] .. "/?.so;" .. package.cpath
local p = require("luapool.pool").new { processes = 1, crash_retries = 0 }
print(p:apply(function() return require("crash").fork() end))
local ok, e = pcall(p.apply, p, function()
  print(require("crash").fork())
  os.exit(3)
end)
print(ok, e.exitcode)
p:close()
p:join()
END
run timeout 20 "$LUAPOOL" run "$work/job.lua" "${LUAPOOL%/*}/tests"
expect_status 0
expect_out_like '^false	3$'
expect_out_lines 3
grep '^[0-9]*$' "$work/out" >"$work/children"
while read -r child; do expect kill "$child"; done <"$work/children"

it "ends a worker that sends garbage, and no other"
cat >"$work/job.lua" <<'END'
local luapool = require "luapool"
local p = luapool.pool.new { processes = 2, crash_retries = 0 }
local function spoil(bytes)
  local core = debug.getregistry()["luapool.env"].require "luapool.core"
  local list = io.popen(("for f in /proc/%d/fd/*; do echo ${f##*/} $(readlink $f); done"):format(core.pid()))
  for fd in list:read("a"):gmatch "(%d+) socket:" do core.write(tonumber(fd), bytes) end
  require("luapool.task").sleep(0.02)
  return "alive"
end
local ok, e = pcall(p.apply, p, spoil, ("\255"):rep(100))
print(ok, e.kind, tostring(e):match "garbage")
math.randomseed(1)
for kind = 0, 40 do -- frames that are none
  local length = math.random(0, 40)
  local bytes = {}
  for k = 1, length do bytes[k] = string.char(math.random(0, kind % 2 == 0 and 3 or 255)) end
  assert(pcall(p.apply, p, spoil, string.pack("<I4B", length, kind) .. table.concat(bytes)))
end
print(p:apply(function() return "well" end))
END
run timeout 60 "$LUAPOOL" run "$work/job.lua"
expect_status 0
expect_out "false	worker_died	garbage
well"

cat >"$tap_dir/doubles.lua" <<'END'
local p = require("luapool.pool").new { processes = 2 }
local list, n = p:map(function(x) return x * 2 end, { 1, 2, 3 }):collect()
print(n, table.unpack(list))
END

it "fits the tasks at once to the open files it may have, and says so"
run sh -c "ulimit -n 64; exec timeout 20 '$LUAPOOL' run '$tap_dir/doubles.lua'"
expect_status 0
expect_out "3	2	4	6"
expect_err_like 'warn.*2 workers with 32 tasks at once each, not 2 with 100.*ulimit -n'

it "raises the soft limit of open files to the hard one"
run sh -c "ulimit -S -n 64; exec timeout 20 '$LUAPOOL' run '$tap_dir/doubles.lua'"
expect_status 0
expect_err ""

for files in 24 16 12 10 8 6 4; do
  it "says clearly that $files open files are too few, or does with them"
  run sh -c "ulimit -n $files; exec timeout 20 '$LUAPOOL' run '$tap_dir/doubles.lua'"
  case $status in
    0) expect_out "3	2	4	6" ;;
    1 | 2) expect_err_like 'open files|loading shared' ;;
    *) tap_show "expected 0, 1 or 2" ;;
  esac
done

it "tells which requests had no descriptor, and goes on with the next"
cat >"$work/few.lua" <<'END'
local http, task = require "luapool.http", require "luapool.task"
local url, jobs = os.getenv "NGINX_URL", {}
for i = 1, 60 do jobs[i] = function() return http.get(url .. "/delay/0.2/" .. i).status end end
local results, errors = task.gather(jobs, { return_errors = true })
local last
for i = 1, 60 do
  assert(results[i] == 200 or errors[i].kind == "connect")
  last = errors[i] or last
end
print(http.get(url .. "/bytes/1").status, (tostring(last):gsub("^.*: ", "")))
END
run tests/support/nginx run sh -c "ulimit -n 40; exec timeout 20 '$LUAPOOL' run '$work/few.lua'"
expect_status 0
expect_out "200	Too many open files"

it "does its work under ulimit -v; what needs more fails, and the rest goes on"
cat >"$work/job.lua" <<'END'
local p = require("luapool.pool").new { processes = 2 }
local function eat()
  local t = {}
  for i = 1, 1 << 30 do t[i] = ("x"):rep(1000) .. i end
end
local function double(x) return x * 2 end
print(select(2, pcall(p.apply, p, eat)))
print(p:apply(double, 1))
print(select(2, pcall(eat)))
print(p:apply(double, 2))
END
run sh -c "ulimit -v 200000; exec timeout 60 '$LUAPOOL' run '$work/job.lua'"
if grep -q __asan_init "$LUAPOOL"; then
  skip "AddressSanitizer needs the whole address space"
else
  expect_status 0
  expect_out "not enough memory
2
not enough memory
4"
fi

for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
  it "works with standard streams closed: $closed"
  cat >"$work/job.lua" <<'END'
local p = require("luapool.pool").new { processes = 2 }
local list = p:map(function(x)
  print("worker", x)
  io.stderr:write "worker\n"
  return x * 2
end, { 1, 2, 3 }):collect()
local file = assert(io.open(arg[1], "w"))
file:write(table.concat(list, " "), "\n")
file:close()
print "main"
io.stderr:write "main\n"
END
  run sh -c "exec timeout 20 '$LUAPOOL' run '$work/job.lua' '$work/list' $closed"
  # All goes its way; what was printed to a closed stdout is lost, and the status says so.
  case " $closed " in *" >&- "*) expect_status 1 ;; *) expect_status 0 ;; esac
  expect test "$(cat "$work/list")" = "2 4 6"
done

it "says that the disk of stdout is full"
run sh -c "exec timeout 20 '$LUAPOOL' run '$tap_dir/doubles.lua' >/dev/full"
expect_status 1
expect_err "luapool: cannot write to stdout: No space left on device"
run sh -c "exec timeout 20 '$LUAPOOL' run '$tap_dir/doubles.lua' >/dev/full 2>&1"
expect_status 1
