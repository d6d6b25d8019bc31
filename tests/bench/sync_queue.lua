-- One task puts numbers into a queue, another one gets them. ... is how many, and the queue's
-- maxsize.
local sync, task = require "luapool.sync", require "luapool.task"
local count, maxsize = math.tointeger((...)), math.tointeger((select(2, ...)))
local queue = sync.queue { maxsize = maxsize }
task.spawn(function()
  for i = 1, count do
    queue:put(i)
  end
  queue:close()
end)
local sum = 0
for i in queue:iter() do
  sum = sum + i
end
assert(sum == count * (count + 1) // 2, sum)
