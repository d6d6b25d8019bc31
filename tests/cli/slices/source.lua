-- The source of a job's items between tasks that are preempted all the time: nothing is lost.
local internal = debug.getregistry()["luapool.env"].require
local source, spec = internal "luapool.internal.job.source", internal "luapool.internal.job.spec"
local task = require "luapool.task"
local TASKS, TIMES, ROUNDS = 3, 100000, 3

for _ = 1, ROUNDS do
  local s = source.open(assert(spec.check { items = {}, process = print }), {})
  local function add()
    for i = 1, TIMES do s:add(i) end
  end
  task.all(add, add, add)
  local n = 0
  for _ in function() return s:next() end do
    n = n + 1
    s:settle()
  end
  assert(n == TASKS * TIMES and s.totals.item == n, n)
end
