-- Two workers get what main puts into a queue and say that each item is done; main joins. ...
-- is the number of items.
local sync, pool = require "luapool.sync", require "luapool.pool"
local count = math.tointeger((...))
local p <close> = pool.new { processes = 2 }
local queue, futures = sync.queue(), {}
for i = 1, 2 do
  futures[i] = p:submit(function()
    local n = 0
    for _ in queue:iter() do
      n = n + 1
      queue:task_done()
    end
    return n
  end)
end
for i = 1, count do
  queue:put(i)
end
queue:join()
queue:close()
assert(futures[1]:await() + futures[2]:await() == count)
