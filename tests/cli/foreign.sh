# C libraries that resume and yield coroutines by themselves: they know nothing of tasks.
. tests/support/cli.sh

head='package.cpath = arg[1] .. "/?.so;" .. package.cpath
local foreign, task = require "foreign", require "luapool.task"'

it "does not let a coroutine wait that a C library resumes, nor one that it resumes in turn"
cat >"$work/resumes.lua" <<END
$head
local function try()
  local ok, e = pcall(task.sleep, 0.001)
  print(ok, ok or e.kind)
end
local co = coroutine.create(function()
  try()
  coroutine.wrap(try)()
  try()
  coroutine.yield()
end)
print(foreign.resume(co))
try()
print(foreign.resume(co))
try()
END
run timeout 20 "$LUAPOOL" run "$work/resumes.lua" "${LUAPOOL%/*}/tests"
expect_status 0
expect_out "false	cannot_wait
false	cannot_wait
false	cannot_wait
1
true	true
0
true	true"
expect_err ""

it "does not use a task's coroutine again that a C library has yielded out of"
cat >"$work/yields.lua" <<END
$head
local got
local function yields()
  local _ <close> = setmetatable({}, { __close = function() got = coroutine.running() end })
  foreign.yield()
end
print(task.spawn(yields):result())
print(task.spawn(function() return coroutine.running() == got end):await())
END
run luapool run "$work/yields.lua" "${LUAPOOL%/*}/tests"
expect_status 0
expect_out "false	attempt to yield from outside a coroutine
false"
expect_err ""
