# Reading from stdin waits: other tasks go on, and a job works on each line at once.
. tests/support/cli.sh

# Runs job.lua or script.lua, fed by a writer on descriptor 3.
feed() {
  mkfifo "$work/in"
  (cd "$work" && exec "$LUAPOOL" run "$@" <in >out 2>err) &
  pid=$! tap_command="luapool run $*"
  exec 3>"$work/in"
}

# Ends the input, waits for the end of the run.
ended() {
  exec 3>&-
  status=0
  wait "$pid" || status=$?
}

# Waits until the command succeeds, while the run lasts.
until_done() {
  until "$@" >"$work/expect" 2>&1 || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
}

it "works on each line of a slow input at once, and writes its result"
cat >"$work/job.lua" <<'LUA'
return { items = function() return io.lines() end, process = function(x) return x end }
LUA
feed job.lua -p 1 --progress off
for line in one two three; do
  echo "$line" >&3
  until_done grep -q "$line" "$work/out"
  expect_out_like "^\"$line\"$"
done
ended
expect_status 0
expect_err_like '^Done, success: 3/3'

it "takes an iterator for items, too, and an input without lines"
cat >"$work/job.lua" <<'LUA'
return { items = io.lines(), process = function(x) return x end }
LUA
run sh -c "printf '1\n2\n' | '$LUAPOOL' run '$work/job.lua' -p 1 -m sync"
expect_status 0
expect_out '"1"
"2"'
run sh -c "'$LUAPOOL' run '$work/job.lua' </dev/null"
expect_status 0
expect_out ""

it "hands out each item before an iterator that blocks is asked for the next"
cat >"$work/job.lua" <<'LUA'
local script = "echo 1; until [ -e seen1 ]; do sleep 0.02; done; echo 2; until [ -e seen2 ]; do sleep 0.02; done"
return {
  items = function() return io.popen(script):lines() end,
  process = function(x) io.open("seen" .. x, "w"):close() end,
}
LUA
run sh -c "cd '$work' && exec timeout -s KILL 30 '$LUAPOOL' run job.lua"
expect_status 0
expect_err_like '^Done, success: 2/2'

it "lets other tasks go on while a line is awaited, also in the middle of it"
cat >"$work/script.lua" <<'LUA'
local task = require "luapool.task"
local ticks = 0
local ticking = task.every(0.001, function()
  ticks = ticks + 1
  if ticks == 5 then io.open("ticked", "w"):close() end
end)
for line in io.lines() do
  print(line)
  io.stdout:flush()
  ticks = 0
end
ticking:stop()
LUA
feed script.lua
until_done [ -e "$work/ticked" ]
rm "$work/ticked"
echo first >&3
until_done grep -q first "$work/out"
printf 'sec' >&3
until_done [ -e "$work/ticked" ]
rm "$work/ticked"
echo ond >&3
until_done grep -q second "$work/out"
until_done [ -e "$work/ticked" ]
printf 'no newline' >&3
ended
expect_status 0
expect_out "first
second
no newline"

# What a script reads must be the same from a pipe in bits and from a file.
same() {
  cat >"$work/script.lua"
  cat >"$work/input" <<'TEXT'
first
abcdefgh125 0x10
rest

a longer line than the others
one
two
TEXT
  run sh -c "cd '$work' && '$LUAPOOL' run script.lua <input >expected"
  expect_status 0
  run sh -c "cd '$work' && dd bs=3 status=none <input | '$LUAPOOL' run script.lua >got"
  expect_status 0
  expect cmp "$work/expected" "$work/got"
}

it "reads in all formats what is read from a file"
same <<'LUA'
print(io.read "L", io.read(3), io.stdin:read(5), io.read "n", io.read "n", io.read "*l")
print(io.stdin:read("l", "L"))
print(io.read(0), io.read "a", io.read "a", io.read "l", io.read(0), io.read(5))
LUA
same <<'LUA'
for line in io.lines(nil, "L") do io.write("<", line, ">") end
print((pcall(io.lines)))
LUA
same <<'LUA'
for chunk in io.stdin:lines(7) do io.write("<", chunk, ">") end
print(pcall(io.read, "x"))
print(pcall(io.read, {}))
print(select(2, pcall(io.stdin.read, io.stdin, "x")))
io.stdin:close()
print(pcall(io.read))
print((pcall(io.lines)))
LUA

it "gives each line to one of the tasks that wait, and gives up when they are cancelled"
cat >"$work/script.lua" <<'LUA'
local task = require "luapool.task"
local seen, readers = {}, {}
for i = 1, 3 do
  readers[i] = task.spawn(function()
    for line in io.lines() do table.insert(seen, line) end
  end)
end
local late = task.spawn(io.read)
task.yield()
late:cancel()
print(late:result())
io.stdout:flush()
task.gather(readers)
table.sort(seen)
print(table.concat(seen, " "))
print(pcall(task.timeout, 0.001, io.read))
LUA
feed script.lua
until_done grep -q cancelled "$work/out"
for line in d a c b; do echo "$line" >&3; done
ended
expect_status 0
expect_out "false	the task was cancelled
a b c d
true	nil"
