-- Tasks of one worker put numbers into a queue of main. ...: how many numbers, how many tasks.
local sync, pool = require "luapool.sync", require "luapool.pool"
local count, tasks = math.tointeger((...)), math.tointeger((select(2, ...)))
local p <close> = pool.new { processes = 1 }
local queue, futures = sync.queue(), {}
for i = 1, tasks do
  futures[i] = p:submit(function()
    for j = 1, count // tasks do
      queue:put(j)
    end
  end)
end
for i = 1, tasks do
  futures[i]:await()
end
assert(#queue == count // tasks * tasks)
