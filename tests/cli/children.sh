# Programs that processes start: none of them, nor what they have started, outlives its process.
. tests/support/cli.sh

# Waits, 10 s at most, until the program has told so many pids: its own, and that of a child of it.
await_pids() {
  for _ in $(seq 200); do
    [ "$(cat "$work"/pids.* 2>/dev/null | wc -l)" -ge "$1" ] && return 0
    sleep 0.05
  done
  fail "not so many programs have begun: $1
$(cat "$work"/pids.* "$work/err" 2>/dev/null)"
}

# All of them are gone within 10 s. A zombie is gone.
expect_gone() {
  for pid in $(cat "$work"/pids.*); do
    for _ in $(seq 200); do
      grep -q '^State:	[^Z]' "/proc/$pid/status" 2>/dev/null || continue 2
      sleep 0.05
    done
    fail "still there: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
    kill -9 "$pid"
  done
}

# A program that has a child, and one that ignores what can be ignored.
cat >"$tap_dir/program" <<'END'
trap '' INT TERM HUP QUIT PIPE
sh -c 'echo $$ >>"$1"; sleep 300; :' sh "$1" &
echo $$ >>"$1"
wait
:
END

# Lines of Lua that start it in three ways; each adds its pids to a file of its own.
start='local luapool = require "luapool"
local function command(way) return ("sh %s %s/pids.%s"):format(arg[1], arg[2], way) end
local function start(args)
  local luapool = require "luapool"
  local process, task = luapool.process, luapool.task
  task.spawn(process.exec, { "sh", args[1], args[2] .. "/pids.exec" })
  task.spawn(os.execute, ("sh %s %s/pids.execute; :"):format(args[1], args[2]))
  popen = io.popen(("sh %s %s/pids.popen; :"):format(args[1], args[2]))
  task.sleep(300)
end'

it "kills those of main when main is killed"
printf '%s\nstart(arg)\n' "$start" >"$work/script.lua"
"$LUAPOOL" run "$work/script.lua" "$tap_dir/program" "$work" >"$work/out" 2>"$work/err" &
await_pids 6
kill -9 $!
wait $! 2>/dev/null
expect_gone

it "kills those of a worker when the worker is killed"
printf '%s
local p = luapool.pool.new { processes = 2, crash_retries = 0 }
local one = p:submit(start, arg)
while not io.open(arg[2] .. "/go") do luapool.task.sleep(0.01) end
for _, worker in ipairs(p:stats().workers) do
  if worker.busy > 0 then os.execute("kill -9 " .. worker.pid) end
end
print(one:result())
while not io.open(arg[2] .. "/done") do luapool.task.sleep(0.01) end
' "$start" >"$work/script.lua"
"$LUAPOOL" run "$work/script.lua" "$tap_dir/program" "$work" >"$work/out" 2>"$work/err" &
await_pids 6
touch "$work/go"
expect_gone
touch "$work/done"
wait $!
expect grep -q '^false.*killed by signal 9' "$work/out"

it "kills those of a worker when main is killed"
printf '%s
luapool.pool.new({ processes = 1 }):apply(start, arg)
' "$start" >"$work/script.lua"
"$LUAPOOL" run "$work/script.lua" "$tap_dir/program" "$work" >"$work/out" 2>"$work/err" &
await_pids 6
kill -9 $!
wait $! 2>/dev/null
expect_gone

it "kills what a shell has started when its task is cancelled, or too late"
cat >"$work/script.lua" <<'END'
local process, task = require "luapool.process", require "luapool.task"
local running = task.spawn(os.execute, ("sh %s %s/pids.execute; :"):format(arg[1], arg[2]))
local late = task.spawn(process.exec,
  { "sh", "-c", ("sh %s %s/pids.exec; :"):format(arg[1], arg[2]), timeout = 3 })
while not io.open(arg[2] .. "/go") do task.sleep(0.01) end
running:cancel()
print(select(2, running:result()).kind)
print(select(2, late:result()).kind)
END
"$LUAPOOL" run "$work/script.lua" "$tap_dir/program" "$work" >"$work/out" 2>"$work/err" &
await_pids 4
touch "$work/go"
wait $!
expect test "$(cat "$work/out")" = "cancelled
timeout"
expect_gone

it "kills what a program has started also when no descriptor is left"
cat >"$work/script.lua" <<'END'
local process, task = require "luapool.process", require "luapool.task"
local running = task.spawn(process.exec, { "sh", arg[1], arg[2] .. "/pids.exec" })
while not io.open(arg[2] .. "/go") do task.sleep(0.01) end
local files, file = {}, nil
repeat
  file = io.open "/dev/null"
  files[#files + 1] = file
until not file
running:cancel()
print(select(2, running:result()).kind)
END
(
  # shellcheck disable=SC3045 # dash has it
  ulimit -n 64
  exec "$LUAPOOL" run "$work/script.lua" "$tap_dir/program" "$work"
) >"$work/out" 2>"$work/err" &
await_pids 2
touch "$work/go"
wait $!
expect test "$(cat "$work/out")" = cancelled
expect_gone

it "lets go of what a shell has put into the background, when the shell ends"
cat >"$work/script.lua" <<'END'
os.execute(("sleep 300 >/dev/null 2>&1 & echo $! >>%s/pids.background"):format(arg[1]))
print(io.popen("sleep 300 >/dev/null 2>&1 & echo $!"):read "l")
END
run luapool run "$work/script.lua" "$work"
expect_status 0
for pid in $(cat "$work/pids.background" "$work/out"); do expect kill "$pid"; done

it "has the process as the parent of what it starts"
cat >"$work/script.lua" <<'END'
local me = tostring(debug.getregistry()["luapool.env"].require("luapool.core").pid())
print(io.popen("echo $PPID"):read "l" == me)
print(require("luapool.process").exec({ "sh", "-c", "echo $PPID" }).stdout == me .. "\n")
print(os.execute("test $PPID = " .. me))
END
run luapool run "$work/script.lua"
expect_out "true
true
true	exit	0"

it "closes what popen returns as stock Lua does"
cat >"$work/script.lua" <<'END'
print(io.popen("exit 3"):close())
print(io.popen("kill -9 $$"):close())
print(io.popen("exit 0"):close())
local file = io.popen("cat >" .. arg[1] .. "/copy", "w")
file:write("text\n")
print(file:close())
print(io.open(arg[1] .. "/copy"):read "a")
print((select(2, pcall(io.popen, "true", "rw"))))
local missing <close> = io.popen("/no/such/program 2>&1")
print(missing:read("l") ~= nil, missing:close())
for line in io.popen("printf 'a\\nb\\n'"):lines() do print(line) end
END
run luapool run "$work/script.lua" "$work"
expect_status 0
expect_out "nil	exit	3
nil	signal	9
true	exit	0
true	exit	0
text

bad argument #2 to 'io.popen' (invalid mode)
true	nil	exit	127
a
b"

it "kills nobody whose pid a script writes to all its sockets"
cat >"$work/script.lua" <<'END'
local core = debug.getregistry()["luapool.env"].require "luapool.core"
os.execute "true" -- the keeper is there
local list = io.popen(("for f in /proc/%d/fd/*; do echo ${f##*/} $(readlink $f); done"):format(core.pid()))
for fd in list:read("a"):gmatch "(%d+) socket:" do
  core.write(tonumber(fd), string.pack("<i4", tonumber(arg[1])))
end
local me = core.pid()
for pid in io.open(("/proc/%d/task/%d/children"):format(me, me)):read("a"):gmatch "%d+" do
  if io.open(("/proc/%s/comm"):format(pid)):read "l" == "luapool-keeper" then print(pid) end
end
io.stdout:flush()
os.execute("kill -9 " .. me)
END
sleep 60 &
victim=$!
run luapool run "$work/script.lua" "$victim"
expect_status 137
cp "$work/out" "$work/pids.keeper"
expect_gone # it has done all that it had to do
expect test "$(cut -d' ' -f3 "/proc/$victim/stat")" = S
kill "$victim"
