-- Computes for about a second of CPU and never waits: arguments are what kind of work, and how
-- many tasks share it.
local task = require "luapool.task"
local kind, tasks = (...), math.tointeger((select(2, ...)))
local work = {}

function work.numbers(share)
  local x, y = 0, 0.5
  for i = 1, 90000000 // share do
    x = x ~ i
    y = y * 0.999 + 1
  end
  return x + y
end

function work.values(share)
  local words, count = {}, 0
  for i = 1, 1000000 // share do
    local word = "w" .. i % 5000
    words[word] = (words[word] or 0) + #word
    if i % 1000 == 0 then
      local list = {}
      for k, v in pairs(words) do list[#list + 1] = k:upper() .. v end
      table.sort(list)
      count = count + #table.concat(list, ",", 1, 10)
      words = {}
    end
  end
  return count
end

function work.calls(share)
  local function fib(n) return n < 2 and n or fib(n - 1) + fib(n - 2) end
  local sum = 0
  for _ = 1, 160 // share do
    sum = sum + fib(25)
  end
  return sum
end

local list = {}
for i = 1, tasks do
  list[i] = task.spawn(work[kind], tasks)
end
task.gather(list)
